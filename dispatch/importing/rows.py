"""The rows of one file, read a block at a time and column by column; a block that fails is read again by halves until
the bad row stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

import msgspec
import orjson

from dispatch.errors import BadInput
from dispatch.importing.columns import Column, FileKind
from dispatch.importing.source import Record
from dispatch.places import all_to_wgs84

ACCESS = {
    "floor": "floor",
    "has_lift": "has_lift",
    "door_code": "door_code",
    "key_safe": "key_safe",
    "access_note": "note",
}
"""Columns of a home's access, and what they are called in what is stored."""

Complain = Callable[[int, BadInput], None]
"""Told the line of a bad row and what is wrong with it."""


class Block(msgspec.Struct, frozen=True):
    """Good rows: their lines, and the values of each column that the file has; empty cells are None."""

    lines: list[int]
    values: dict[str, list[Any]]

    def staged(self, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        """Each row's line and its values in the order of `columns`; a home's access is one JSON object."""
        nothing = [None] * len(self.lines)
        wanted = [self._access() if name == "access" else self.values.get(name, nothing) for name in columns]
        return list(zip(self.lines, *wanted, strict=True))

    def _access(self) -> list[str]:
        names = [name for name in ACCESS if name in self.values]
        if not names:
            return ["{}"] * len(self.lines)
        keys = [ACCESS[name] for name in names]
        rows = zip(*(self.values[name] for name in names), strict=True)
        return [orjson.dumps(dict(zip(keys, row, strict=True))).decode() for row in rows]


class Header:
    """The columns one file really has; turns its records into rows."""

    def __init__(self, kind: FileKind, cells: list[str]) -> None:
        """Raises BadInput: `unknown_column`, `repeated_column`, `missing_columns`, `no_datum`."""
        names = [cell.strip().strip("\ufeff").lower() for cell in cells]
        self.kind = kind
        self.columns = [self._find(name) for name in names]
        if len(set(names)) < len(names):
            raise BadInput("repeated_column", column=next(each for each in names if names.count(each) > 1))
        self.names = frozenset(names)
        self._check_place()
        required = [each.name for each in kind.columns if each.is_required]
        missing = [name for name in required if name not in self.names]
        if missing:
            raise BadInput("missing_columns", columns=", ".join(missing))

    def _find(self, name: str) -> Column:
        column = self.kind.column(name)
        if column is None:
            known = ", ".join(each.name for each in self.kind.columns)
            raise BadInput("unknown_column", column=name[:40], expected=known)
        return column

    def _check_place(self) -> None:
        given = {"lat", "lon", "datum"} & self.names
        if given and "datum" not in given:
            raise BadInput("no_datum", reason="lat and lon mean nothing without a datum column: wgs84, gcj02 or bd09")
        if given not in (set(), {"lat", "lon", "datum"}) or (self.kind.needs_place and not given):
            raise BadInput("missing_columns", columns="lat, lon, datum")

    def blocks(self, records: Sequence[Record], complain: Complain) -> Iterator[Block]:
        """The good rows among some records, in their order; bad ones are complained about."""
        if not records:
            return
        try:
            yield Block([each.line for each in records], self._read(records))
        except BadInput as problem:
            if len(records) == 1:
                complain(records[0].line, problem)
                return
            half = len(records) // 2
            yield from self.blocks(records[:half], complain)
            yield from self.blocks(records[half:], complain)

    def _read(self, records: Sequence[Record]) -> dict[str, list[Any]]:
        """Each column's values. Raises BadInput about one of the records: which one is only sure if it is alone."""
        for record in records:
            if record.problem:
                raise BadInput(record.problem)
            if len(record.cells) != len(self.columns):
                raise BadInput("wrong_number_of_cells", found=len(record.cells), expected=len(self.columns))
        cells = zip(*(record.cells for record in records), strict=True)
        values = {column.name: column.read_all(each) for column, each in zip(self.columns, cells, strict=True)}
        if "lat" in values:
            self._put_together(values)
        return values

    def _put_together(self, values: dict[str, list[Any]]) -> None:
        """Latitude, longitude and datum become places in WGS-84; each row has all three or neither degree."""
        lats, lons, datums = values["lat"], values["lon"], values.pop("datum")
        of_datum: dict[str, list[int]] = {}
        for at, (lat, lon, datum) in enumerate(zip(lats, lons, datums, strict=True)):
            if lat is not None and lon is not None and datum is not None:
                of_datum.setdefault(datum, []).append(at)
            elif lat is not None or lon is not None or self.kind.needs_place:
                named = (("lat", lat), ("lon", lon), ("datum", datum))
                raise BadInput("empty_cell", column=next(name for name, value in named if value is None))
        for datum, rows in of_datum.items():
            try:
                places = all_to_wgs84([lats[at] for at in rows], [lons[at] for at in rows], datum)
            except BadInput as problem:
                raise BadInput(problem.code, column="lat", **problem.params) from None
            for at, (lat, lon) in zip(rows, places, strict=True):
                lats[at], lons[at] = lat, lon


class Repeats:
    """Finds rows of one file whose key stands on an earlier line already."""

    def __init__(self, kind: FileKind) -> None:
        self._key = kind.key
        self._first: dict[Any, int] = {}

    def among(self, block: Block) -> dict[int, BadInput]:
        """What is wrong with which line."""
        columns = [block.values[name] for name in self._key]
        keys = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        firsts = list(map(self._first.setdefault, keys, block.lines))
        if firsts == block.lines:
            return {}
        found = zip(block.lines, firsts, columns[-1], repeat(self._key[-1]), strict=False)
        return {
            line: BadInput("repeated", column=name, cell=str(cell), first_line=first)
            for line, first, cell, name in found
            if first != line
        }
