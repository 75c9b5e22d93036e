"""What each kind of file may hold, column by column.

A column that a file does not have leaves what the register knows; a cell that is empty clears it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dispatch.devices.kinds import kinds
from dispatch.errors import BadInput
from dispatch.importing.cells import (
    BIRTH_YEARS,
    Reader,
    codes,
    degrees,
    identifier,
    one_of,
    phone,
    terminal_id,
    text,
    thresholds,
    whole_number,
    yes_or_no,
)
from dispatch.model import Travel


class Column(msgspec.Struct, frozen=True):
    """One column; `read` turns a cell that is not empty into what is stored, or raises BadInput."""

    name: str
    read: Reader
    is_required: bool = False

    def read_all(self, cells: Sequence[str]) -> list[Any]:
        """What is stored for each cell; None for an empty one. Raises BadInput about one of them, `column` included."""
        cell, found, read, nothing = "", [], self.read, self._read_nothing
        try:
            for raw in cells:
                cell = raw.strip()
                found.append(read(cell) if cell else nothing())
        except BadInput as problem:
            said = {"cell": cell[:40]} if cell else {}
            raise BadInput(problem.code, column=self.name, **said, **problem.params) from None
        return found

    def _read_nothing(self) -> Any:
        if self.is_required:
            raise BadInput("empty_cell")
        return None


class FileKind(msgspec.Struct, frozen=True):
    """One kind of file; no two of its rows have the same `key`.

    Kinds are brought in in the order of `KINDS`, so that what is referred to is there.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    needs_place: bool = False

    def column(self, name: str) -> Column | None:
        return next((each for each in self.columns if each.name == name), None)


_PLACE = (
    Column("lat", degrees),
    Column("lon", degrees),
    Column("datum", one_of("wgs84", "gcj02", "bd09")),
)

KINDS = (
    FileKind(
        "stations",
        ("station_id",),
        (
            Column("station_id", identifier, is_required=True),
            Column("name", text, is_required=True),
            *_PLACE,
            Column("phone", phone),
            Column("organisation", text),
            Column("district", text),
        ),
        needs_place=True,
    ),
    FileKind(
        "elders",
        ("elder_id",),
        (
            Column("elder_id", identifier, is_required=True),
            Column("name", text, is_required=True),
            Column("birth_year", whole_number(BIRTH_YEARS.start, BIRTH_YEARS.stop - 1)),
            Column("phone", phone),
            Column("risks", codes),
            Column("note", text),
            Column("thresholds", thresholds),
            Column("home_id", identifier, is_required=True),
            Column("address", text),
            *_PLACE,
            Column("floor", whole_number(-9, 200)),
            Column("has_lift", yes_or_no),
            Column("door_code", text),
            Column("key_safe", text),
            Column("access_note", text),
            Column("station_id", identifier),
        ),
    ),
    FileKind(
        "terminals",
        ("terminal_id",),
        (
            Column("terminal_id", terminal_id, is_required=True),
            Column("home_id", identifier, is_required=True),
            Column("kind", one_of(*kinds())),
            Column("elder_id", identifier),
            Column("phone", phone),
        ),
    ),
    FileKind(
        "workers",
        ("worker_id",),
        (
            Column("worker_id", identifier, is_required=True),
            Column("name", text, is_required=True),
            Column("station_id", identifier, is_required=True),
            Column("travel", one_of(*Travel), is_required=True),
            Column("phone", phone),
            Column("skills", codes),
        ),
    ),
    FileKind(
        "contacts",
        ("home_id", "rank"),
        (
            Column("home_id", identifier, is_required=True),
            Column("rank", whole_number(1, 99), is_required=True),
            Column("name", text, is_required=True),
            Column("relation", text),
            Column("phone", phone, is_required=True),
            Column("has_key", yes_or_no),
        ),
    ),
)
