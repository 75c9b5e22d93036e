"""Where in a TOML text a key is set, so that a refusal can name the line. The parser itself does not keep it."""

from __future__ import annotations

import re


def line_of(text: str, key: str) -> int | None:
    """The line (from 1) on which the dotted `key` is set, or its table's header, or None if neither is there."""
    table, _, name = key.rpartition(".")
    inside, header_line = not table, None
    for number, line in enumerate(text.splitlines(), 1):
        header = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if header:
            inside = header.group(1) == table
            header_line = number if header.group(1) in (table, key) else header_line
        elif inside and re.match(rf"\s*{re.escape(name)}\s*=", line):
            return number
    return header_line
