"""Readings as PostgreSQL's binary COPY takes them. Pure.

The driver can do this for any table, one column of one row at a time; for the one table that gets thirty thousand rows
a second it is done here at a third of the price. The format is PostgreSQL's (documentation of COPY, "Binary Format"):
a header, for each row the number of columns and each value behind its length in bytes (-1 for NULL), and a trailer.
Instants are microseconds since 2000, reals four bytes, all of it in network order.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from struct import Struct

from dispatch.model import Vitals

COLUMNS = (
    "terminal_id",
    "happened_at",
    "received_at",
    "heart_rate_bpm",
    "spo2_percent",
    "systolic_mmhg",
    "diastolic_mmhg",
    "temperature_c",
    "temperature_site",
    "respiration_per_min",
)

_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
_NULL = b"\xff\xff\xff\xff"
_SINCE = datetime(2000, 1, 1, tzinfo=UTC)
_DAY_S, _SECOND_US = 86_400, 1_000_000
_REALS_MAX = 20_000

_row_begins = Struct(">hi").pack
_real = Struct(">if").pack
_instant = Struct(">iq").pack


class _Reals(dict[float | None, bytes]):
    """A measured value as it is copied. What elders' devices show are a few hundred numbers, again and again."""

    def __missing__(self, value: float) -> bytes:
        copied = _real(4, value)
        if len(self) < _REALS_MAX:
            self[value] = copied
        return copied


_REALS = _Reals({None: _NULL})
_BEGINNINGS = [_row_begins(len(COLUMNS), length) for length in range(1024)]
"""Of a row, by the length of its terminal's id, which is 128 characters at most."""


def as_copied(readings: Sequence[Vitals]) -> bytes:
    """All rows, for `COPY vitals (COLUMNS) FROM STDIN (FORMAT binary)`; every instant must know its offset."""
    rows = [_HEADER]
    received_at, received = None, b""
    for each in readings:
        if each.received_at is not received_at:  # what arrived together has the same
            received_at = each.received_at
            received = _when(received_at)
        rows.append(_row(each, received))
    rows.append(_TRAILER)
    return b"".join(rows)


def _row(reading: Vitals, received: bytes) -> bytes:
    """Written out, column after column: a loop over them would take twice as long."""
    name, at, site, reals = reading.terminal_id.encode(), reading.happened_at, reading.temperature_site, _REALS
    return b"".join(
        (
            _BEGINNINGS[len(name)],
            name,
            _NULL if at is None else _when(at),
            received,
            reals[reading.heart_rate_bpm],
            reals[reading.spo2_percent],
            reals[reading.systolic_mmhg],
            reals[reading.diastolic_mmhg],
            reals[reading.temperature_c],
            _NULL if site is None else _text(site),
            reals[reading.respiration_per_min],
        )
    )


def _when(at: datetime) -> bytes:
    since = at - _SINCE
    return _instant(8, (since.days * _DAY_S + since.seconds) * _SECOND_US + since.microseconds)


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4) + raw
