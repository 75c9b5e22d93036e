"""TOML texts that people write: read, with the line on which a key is set, which the parser itself does not keep."""

from __future__ import annotations

import re
import tomllib
from typing import Any


def read_toml(text: str) -> dict[str, Any]:
    """What the text says. Raises ValueError with the reason, whatever is wrong with it."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


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
