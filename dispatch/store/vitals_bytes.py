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
_SINCE_US = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000

_row_begins = Struct(">hi").pack
_real = Struct(">if").pack
_instant = Struct(">iq").pack


def as_copied(readings: Sequence[Vitals]) -> bytes:
    """All rows, for `COPY vitals (COLUMNS) FROM STDIN (FORMAT binary)`; every instant must know its offset."""
    rows = [_HEADER]
    received_at, received = None, b""
    for each in readings:
        if each.received_at is not received_at:  # what arrived together has the same
            received_at = each.received_at
            received = _instant(8, round(received_at.timestamp() * 1_000_000) - _SINCE_US)
        rows.append(_row(each, received))
    rows.append(_TRAILER)
    return b"".join(rows)


def _row(reading: Vitals, received: bytes) -> bytes:
    """Written out, column after column: a loop over them would take twice as long."""
    name, at, site = reading.terminal_id.encode(), reading.happened_at, reading.temperature_site
    pulse, oxygen, respiration = reading.heart_rate_bpm, reading.spo2_percent, reading.respiration_per_min
    systolic, diastolic, warmth = reading.systolic_mmhg, reading.diastolic_mmhg, reading.temperature_c
    return b"".join(
        (
            _row_begins(len(COLUMNS), len(name)),
            name,
            _NULL if at is None else _instant(8, round(at.timestamp() * 1_000_000) - _SINCE_US),
            received,
            _NULL if pulse is None else _real(4, pulse),
            _NULL if oxygen is None else _real(4, oxygen),
            _NULL if systolic is None else _real(4, systolic),
            _NULL if diastolic is None else _real(4, diastolic),
            _NULL if warmth is None else _real(4, warmth),
            _NULL if site is None else _text(site),
            _NULL if respiration is None else _real(4, respiration),
        )
    )


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(4) + raw
