"""Files into the register: good rows go in, bad ones are named by file, line and reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from dispatch.errors import BadInput
from dispatch.importing.columns import KINDS, FileKind
from dispatch.importing.rows import Header, Repeats
from dispatch.importing.source import Record, Text, examine, records
from dispatch.store.nouns import NOUNS
from dispatch.store.register import Register, Rejected, open_register

BLOCK_ROWS = 1_000
CHUNK_ROWS = 10_000
Progress = Callable[[Path, int, int], None]
"""Told the file, the lines read and merged so far, and how many that will be at the end (each line counts twice)."""


class Bad(msgspec.Struct, frozen=True):
    """A row, or a whole file (line 1 or None), that did not go in: a code and its facts."""

    path: Path
    line: int | None
    code: str
    facts: dict[str, Any]


class Report(msgspec.Struct):
    """What became of the files: rows that went in (or would) by kind, the bad ones, and remarks on files."""

    good: dict[str, int] = {}
    bad: list[Bad] = []
    guessed_gbk: list[Path] = []


def kind_of(path: Path) -> FileKind:
    """The kind of file by its name: `elders.csv` and `elders-2026.csv` are elders. Raises BadInput."""
    for kind in KINDS:
        if path.name.lower().startswith(kind.name):
            return kind
    raise BadInput("unknown_file", expected=", ".join(f"{kind.name}*.csv" for kind in KINDS))


async def import_files(
    dsn: str, paths: Sequence[Path], today: date, *, dry_run: bool = False, progress: Progress = lambda *_: None
) -> Report:
    """Bring files in, in the order in which they refer to each other; `today` is when people who moved, moved.

    A dry run reads and checks everything and writes nothing. Raises Unreachable if the database is away, Refused
    (`another_import_runs`) while another import is under way.
    """
    report = Report()
    files: list[tuple[FileKind, Text]] = []
    for path in paths:
        try:
            files.append((kind_of(path), examine(path)))
        except BadInput as problem:
            report.bad.append(Bad(path, None, problem.code, problem.params))
    files.sort(key=lambda each: KINDS.index(each[0]))
    if not files:
        return report
    async with open_register(dsn, dry_run=dry_run) as register:
        for kind, text in files:
            await _File(register, kind, text, report, progress).bring_in(today, dry_run=dry_run)
    report.bad.sort(key=lambda each: (str(each.path), each.line or 0))
    return report


class _File:
    """One file on its way in."""

    def __init__(self, register: Register, kind: FileKind, text: Text, report: Report, progress: Progress) -> None:
        self._register = register
        self._kind = kind
        self._text = text
        self._report = report
        self._progress = progress
        self._staged = 0

    async def bring_in(self, today: date, *, dry_run: bool) -> None:
        if self._text.is_guessed:
            self._report.guessed_gbk.append(self._text.path)
        rows = records(self._text)
        try:
            header = self._header(next(rows, None))
        except BadInput as problem:
            self._bad(1, problem)
            return
        await self._register.clear()
        await self._stage(header, rows)
        for rejected in await self._register.check(self._kind.name):
            self._reject(rejected)
        self._report.good[self._kind.name] = self._report.good.get(self._kind.name, 0) + self._staged
        if dry_run:
            await self._register.remember(self._kind.name)
        else:
            await self._register.merge(self._kind.name, header.names, today, self._tell_merged)
        self._tell(2 * self._text.lines)

    def _header(self, record: Record | None) -> Header:
        if record is None:
            raise BadInput("empty_file")
        if record.problem:
            raise BadInput(record.problem)
        return Header(self._kind, record.cells)

    async def _stage(self, header: Header, rows: Iterator[Record]) -> None:
        repeats, columns = Repeats(self._kind), NOUNS[self._kind.name].columns
        chunk: list[tuple[Any, ...]] = []
        # an empty row is what Excel leaves below a table
        filled = (record for record in rows if record.problem or any(map(str.strip, record.cells)))
        while records_ := list(islice(filled, BLOCK_ROWS)):
            for block in header.blocks(records_, self._bad):
                repeated = repeats.among(block)
                for line, problem in repeated.items():
                    self._bad(line, problem)
                chunk += [row for row in block.staged(columns) if row[0] not in repeated]
            if len(chunk) >= CHUNK_ROWS:
                await self._copy(chunk, records_[-1].line)
                chunk = []
        if chunk:
            await self._copy(chunk, self._text.lines)

    async def _copy(self, chunk: list[tuple[Any, ...]], line: int) -> None:
        await self._register.stage(self._kind.name, chunk)
        self._staged += len(chunk)
        self._tell(line)

    def _reject(self, rejected: Rejected) -> None:
        facts: dict[str, Any] = {"column": rejected.name, "cell": rejected.cell}
        if rejected.first_line is not None:
            facts["first_line"] = rejected.first_line
        self._bad(rejected.line, BadInput(rejected.code, **facts))
        self._staged -= 1

    def _bad(self, line: int, problem: BadInput) -> None:
        self._report.bad.append(Bad(self._text.path, line, problem.code, problem.params))

    def _tell_merged(self, line: int) -> None:
        self._tell(self._text.lines + min(line, self._text.lines))

    def _tell(self, lines: int) -> None:
        self._progress(self._text.path, lines, 2 * self._text.lines)
