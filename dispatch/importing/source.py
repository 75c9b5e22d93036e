"""CSV files as they really come: with or without a BOM, UTF-8 or a Chinese Windows' GB18030, `,` or `;` or tabs.

One broken row must not swallow the rest, as it does when a quote is never closed and a CSV reader goes on looking for
its end: a record may span a few lines (an address with a line break), and what is still open then is one bad row.
"""

from __future__ import annotations

import codecs
import csv
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from dispatch.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

RECORD_LINES_MAX = 10
LINE_MAX = 20_000
DELIMITERS = (",", ";", "\t")
_BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


class Text(msgspec.Struct, frozen=True):
    """A file that can be read: its encoding as Python calls it, and how many lines it has."""

    path: Path
    encoding: str
    lines: int

    @property
    def is_guessed(self) -> bool:
        """Whether the encoding was only concluded from the bytes not being UTF-8."""
        return self.encoding == "gb18030"


class Record(msgspec.Struct, frozen=True, gc=False):
    """One row: the line it begins on and its cells, or the code of why they cannot be told."""

    line: int
    cells: list[str]
    problem: str | None = None


def examine(path: Path) -> Text:
    """How to read a file. Raises BadInput: `cannot_open`, `empty_file`, or `unknown_encoding` with the line."""
    try:
        with path.open("rb") as file:
            start = file.read(3)
            bom = next((name for mark, name in _BOMS.items() if start.startswith(mark)), None)
        if not start:
            raise BadInput("empty_file")
        if bom:
            return Text(path, bom, _count(path, bom))
        return _without_bom(path)
    except OSError as error:
        raise BadInput("cannot_open", reason=error.strerror or str(error)) from None
    except UnicodeError as error:
        raise BadInput("unknown_encoding", reason=str(error)[:120]) from None


def _without_bom(path: Path) -> Text:
    """UTF-8, unless more of the lines with other than ASCII in them are not UTF-8 than are."""
    good = bad = lines = first_bad = 0
    with path.open("rb") as file:
        for lines, line in enumerate(file, 1):
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                bad += 1
                first_bad = first_bad or lines
    if bad <= good:
        return Text(path, "utf-8", lines)
    try:
        return Text(path, "gb18030", _count(path, "gb18030"))
    except UnicodeDecodeError:
        raise BadInput("unknown_encoding", line=first_bad, reason="neither UTF-8 nor GB18030 (GBK)") from None


def _count(path: Path, encoding: str) -> int:
    with path.open(encoding=encoding) as file:
        return sum(1 for _ in file)


def records(text: Text) -> Iterator[Record]:
    """The file's rows, the header first; empty lines are left out."""
    # a broken byte in UTF-8 becomes a character that no cell may hold: that row is bad, and only that one
    with text.path.open(encoding=text.encoding, errors="surrogateescape", newline=None) as file:
        yield from records_of(file)


def records_of(lines: Iterable[str]) -> Iterator[Record]:
    """Rows from lines; the first tells which delimiter is used."""
    pushed_back: deque[tuple[int, str]] = deque()
    numbered = iter(enumerate(lines, 1))
    delimiter = ""
    while True:
        line, content = pushed_back.popleft() if pushed_back else next(numbered, (0, ""))
        if not line:
            return
        if not content.strip():
            continue
        delimiter = delimiter or max(DELIMITERS, key=content.count)
        if len(content) > LINE_MAX:
            yield Record(line, [], "row_too_long")
        elif '"' not in content:
            yield Record(line, content.rstrip("\n").split(delimiter))
        else:
            yield _quoted(line, content, delimiter, pushed_back, numbered)


def _quoted(
    line: int, content: str, delimiter: str, pushed_back: deque[tuple[int, str]], numbered: Iterator[tuple[int, str]]
) -> Record:
    """A row with quotes, which may go on over the next lines; if it never ends, those are read again as rows."""
    taken: list[tuple[int, str]] = []
    whole = content
    while True:
        try:
            rows = list(csv.reader([whole], delimiter=delimiter, strict=True))
            return Record(line, rows[0])
        except csv.Error as error:
            goes_on = "end of data" in str(error) and len(taken) < RECORD_LINES_MAX and len(whole) <= LINE_MAX
            more = (pushed_back.popleft() if pushed_back else next(numbered, None)) if goes_on else None
        if more is None:
            pushed_back.extendleft(reversed(taken))
            return Record(line, [], "broken_quotes")
        taken.append(more)
        whole += more[1]
