"""What each kind of file may hold, column by column, and how a cell is understood.

A column that a file does not have leaves what the register knows; a cell that is empty clears it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from dispatch.devices.kinds import kinds
from dispatch.errors import BadInput
from dispatch.health.thresholds import with_own
from dispatch.model import Travel
from dispatch.places import to_wgs84

ID_LENGTH_MAX = 64
TEXT_LENGTH_MAX = 200
LIST_MAX = 20
BIRTH_YEARS = range(1880, 2101)
YES = frozenset({"1", "yes", "y", "true", "t", "是", "有"})
NO = frozenset({"0", "no", "n", "false", "f", "否", "无"})

Reader = Callable[[str], Any]

_PHONE_FILLING = re.compile(r"[\s()\-\u2010-\u2015.]")
_PHONE = re.compile(r"\+?[0-9*#]{3,20}")
_NUMBER = re.compile(r"-?[0-9]{1,6}")
_DEGREES = re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{1,15})?")
_CODE = re.compile(r"[a-z0-9_]{1,32}")
_remembered = lru_cache(4096)
"""For cells that come again and again: looking one up is ten times as quick as reading it."""


class Column(msgspec.Struct, frozen=True):
    """One column; `read` turns a cell that is not empty into what is stored, or raises BadInput."""

    name: str
    read: Reader
    is_required: bool = False

    def read_nothing(self) -> Any:
        """What an empty cell means. Raises BadInput (`empty_cell`) where there must be something."""
        if self.is_required:
            raise BadInput("empty_cell")
        return None


# --- cells ------------------------------------------------------------------------------------------------------------


def text(cell: str) -> str:
    """One line of text; line breaks and runs of spaces become one space."""
    cell = " ".join(cell.split())
    if len(cell) > TEXT_LENGTH_MAX:
        raise BadInput("too_long", length=len(cell), length_max=TEXT_LENGTH_MAX)
    if not cell.isprintable():
        raise BadInput("unprintable")
    return cell


def identifier(cell: str) -> str:
    """A code of the register: no spaces, at most 64 characters."""
    if len(cell) > ID_LENGTH_MAX or not cell.isprintable() or " " in cell:
        raise BadInput("bad_id")
    return cell


def terminal_id(cell: str) -> str:
    """A code that can stand in a topic as well."""
    if any(each in cell for each in "/+#") or cell.startswith("$"):
        raise BadInput("bad_terminal_id", reason="/, + and # and a $ in front mean something else in a topic")
    return identifier(cell)


def phone(cell: str) -> str:
    """Digits with a + in front perhaps; spaces, brackets and hyphens are left out, so that searching finds it."""
    number = _PHONE_FILLING.sub("", cell)
    if not _PHONE.fullmatch(number):
        raise BadInput("bad_phone")
    return number


def whole_number(least: int, most: int) -> Reader:
    """A whole number within limits."""

    @_remembered
    def read(cell: str) -> int:
        if not _NUMBER.fullmatch(cell) or not least <= int(cell) <= most:
            raise BadInput("bad_number", least=least, most=most)
        return int(cell)

    return read


def degrees(cell: str) -> float:
    """Decimal degrees; out of range is found when the place is put together."""
    if not _DEGREES.fullmatch(cell):
        raise BadInput("bad_degrees", expected="decimal degrees such as 24.4798")
    return float(cell)


def yes_or_no(cell: str) -> bool:
    """Whether."""
    answer = cell.lower()
    if answer not in YES | NO:
        raise BadInput("bad_yes_no", expected="yes or no")
    return answer in YES


@_remembered
def codes(cell: str) -> list[str]:
    """Codes with ; between them."""
    found = list(dict.fromkeys(each.strip() for each in re.split(r"[;；]", cell) if each.strip()))
    if len(found) > LIST_MAX or any(not _CODE.fullmatch(each) for each in found):
        raise BadInput("bad_codes", expected="codes of small letters, digits and _, with ; between them")
    return found


def one_of(*choices: str) -> Reader:
    """One of some words."""

    @_remembered
    def read(cell: str) -> str:
        if cell.lower() not in choices:
            raise BadInput("unknown_choice", expected=", ".join(choices))
        return cell.lower()

    return read


def thresholds(cell: str) -> str:
    """One elder's own limits as JSON."""
    with_own(cell)
    return cell


# --- kinds of files ---------------------------------------------------------------------------------------------------


class FileKind(msgspec.Struct, frozen=True):
    """One kind of file. Kinds are brought in in the order of `KINDS`, so that what is referred to is there."""

    name: str
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


class Row(msgspec.Struct, frozen=True, gc=False):
    """One good row: its line and its values by column; empty cells are None."""

    line: int
    values: dict[str, Any]


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

    def row(self, line: int, cells: list[str]) -> Row:
        """A record's values. Raises BadInput with the `column` it is about."""
        if len(cells) != len(self.columns):
            raise BadInput("wrong_number_of_cells", found=len(cells), expected=len(self.columns))
        values: dict[str, Any] = {}
        column, cell = self.columns[0], ""
        try:
            for column, raw in zip(self.columns, cells, strict=True):
                cell = raw.strip()
                values[column.name] = column.read(cell) if cell else column.read_nothing()
        except BadInput as problem:
            said = {"cell": cell[:40]} if cell else {}
            raise BadInput(problem.code, column=column.name, **said, **problem.params) from None
        if "lat" in values:
            self._put_together(values)
        return Row(line, values)

    def _put_together(self, values: dict[str, Any]) -> None:
        """Latitude, longitude and datum become a place in WGS-84; all three or none."""
        lat, lon, datum = values["lat"], values["lon"], values.pop("datum")
        if lat is None and lon is None and not self.kind.needs_place:
            return
        if lat is None or lon is None or datum is None:
            missing = next(name for name, value in (("lat", lat), ("lon", lon), ("datum", datum)) if value is None)
            raise BadInput("empty_cell", column=missing)
        try:
            place = to_wgs84(lat, lon, datum)
        except BadInput as problem:
            raise BadInput(problem.code, column="lat", **problem.params) from None
        values["lat"], values["lon"] = place.lat, place.lon
