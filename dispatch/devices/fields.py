"""Reading single fields of what a terminal sent, with a forgiving eye. Pure.

A press must not be lost because the same message carries a silly battery level, so each reader gives either something
that can be used and stored (PostgreSQL refuses NUL and lone surrogates in text) or nothing, never an error.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any, TypeGuard, TypeVar

import msgspec

from dispatch.errors import BadInput
from dispatch.model import Place, TerminalId
from dispatch.places import to_wgs84

Shape = TypeVar("Shape")

ID_MAX = 128
"""Longest id in characters; ids stand in unique indexes, which take 2,700 bytes at most."""

YEARS = range(2000, 2100)
"""A device's word on the time is taken from these years only; outside, its clock was never set."""

FUTURE, PAST = timedelta(minutes=5), timedelta(days=30)
"""How far off a device's time may be before it is remarked upon (it changes nothing else)."""

_JUNK_AT_ENDS = "\ufeff\x00 \t\r\n"


def parse(payload: bytes, decoder: msgspec.json.Decoder[Shape]) -> tuple[Shape, bool]:
    """The payload as the decoder's type, and whether it was proper JSON.

    What is not proper is read once more as firmware writes it: a NUL or a byte-order mark at an end, `NaN`, raw line
    feeds, a text field in another encoding. Raises BadInput: `not_json` or `wrong_shape`, with a `detail`.
    """
    try:
        return decoder.decode(payload), True
    except RecursionError:
        raise BadInput("not_json", detail="nested too deeply") from None
    except (msgspec.MsgspecError, ValueError) as problem:
        return _parse_leniently(payload, decoder, str(problem)), False


def _parse_leniently(payload: bytes, decoder: msgspec.json.Decoder[Shape], why: str) -> Shape:
    try:
        loose = json.loads(payload.decode(errors="replace").strip(_JUNK_AT_ENDS), strict=False)
    except (ValueError, RecursionError):
        raise BadInput("not_json", detail=why[:200]) from None
    try:
        return msgspec.convert(loose, decoder.type)
    except (msgspec.MsgspecError, ValueError, RecursionError) as problem:
        raise BadInput("wrong_shape", detail=str(problem)[:200].encode(errors="replace").decode()) from None


def usable_id(value: object) -> str | None:
    """An id that can be stored, compared and shown; None for one that cannot. A number counts as its digits."""
    if type(value) is int and abs(value) < 1 << 64:
        value = str(value)
    return value if isinstance(value, str) and is_usable_id(value) else None


def is_usable_id(text: str) -> TypeGuard[TerminalId]:
    """Whether an id can be stored, compared and shown, a terminal's or another's."""
    return 0 < len(text) <= ID_MAX and text.isprintable() and "\ufffd" not in text


def clean_text(value: object, length_max: int) -> str | None:
    """Text that can be stored, with U+FFFD for what cannot, cut to `length_max` characters; None if it is no text."""
    if not isinstance(value, str):
        return None
    return value[:length_max].replace("\x00", "\ufffd").encode(errors="replace").decode()


def number(value: object, low: float, high: float) -> float | None:
    """A finite number within the limits, or None. True is not 1 here."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if low <= value <= high and math.isfinite(value) else None


def instant(value: object, received_at: datetime) -> tuple[datetime | None, str | None]:
    """A device's time as UTC, and what is wrong with it as a code: `at_missing`, `at_unreadable`, `at_without_offset`,
    `at_absurd` (these four give no instant), `at_in_future`, `at_long_ago` (these two keep it), or None.
    """
    if value is None:
        return None, "at_missing"
    try:
        at = msgspec.convert(value, datetime)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None, "at_unreadable"
    if at.tzinfo is None:
        return None, "at_without_offset"
    if at.year not in YEARS:
        return None, "at_absurd"
    at = at.astimezone(UTC)
    if at > received_at + FUTURE:
        return at, "at_in_future"
    return at, "at_long_ago" if at < received_at - PAST else None


def place(value: Any) -> Place | None:
    """A place as WGS-84; None if it is incomplete, or names no datum: a wrong datum is a wrong building."""
    if not isinstance(value, dict):
        return None
    lat, lon = number(value.get("lat"), -90, 90), number(value.get("lon"), -180, 180)
    datum = value.get("datum")
    if lat is None or lon is None or not isinstance(datum, str):
        return None
    try:
        return to_wgs84(lat, lon, datum, number(value.get("accuracy_m"), 0, 1e6))
    except BadInput:
        return None
