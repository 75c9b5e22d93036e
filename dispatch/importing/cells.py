"""How the cells of a file are understood: a function for each kind of cell, from its text to what is stored."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from dispatch.errors import BadInput
from dispatch.health.thresholds import with_own

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
_NOT_IN_TOPICS = re.compile(r"[/+#]|^\$")
_CODE = re.compile(r"[a-z0-9_]{1,32}")
_remembered = lru_cache(4096)
"""For cells that come again and again: looking one up is ten times as quick as reading it."""


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
    if _NOT_IN_TOPICS.search(cell):
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


@_remembered
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
