"""Nonsense that terminals, links and vandals send: each a payload, and what must become of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, order=True)
class Nonsense:
    """A message on a registered terminal's `alarm` topic that opens or joins a call of kind `unreadable`."""

    name: str
    payload: bytes


BROKEN_ALARMS = (
    Nonsense("empty", b""),
    Nonsense("no_json", b"SOS SOS SOS"),
    Nonsense("cut_off", b'{"id":"b1","at":"2026-03-01T12:00:'),
    Nonsense("not_utf8", b'{"id":"\xff\xfe","key":"sos"}'),
    Nonsense("a_number", b"42"),
    Nonsense("a_list", b'["sos"]'),
    Nonsense("no_id", b'{"key":"sos"}'),
    Nonsense("id_of_wrong_type", b'{"id":{"a":1},"key":"sos"}'),
    Nonsense("unknown_key", b'{"id":"b2","key":"pizza","at":"2026-03-01T12:00:00Z"}'),
    Nonsense("nul_in_id", b'{"id":"b\\u00003","key":"sos","at":"2026-03-01T12:00:00Z"}'),
    Nonsense("lone_surrogate_in_id", b'{"id":"b\\ud8004","key":"sos","at":"2026-03-01T12:00:00Z"}'),
    Nonsense("deep", b'{"id":' + b"[" * 2000 + b"]" * 2000 + b"}"),
)

ODD_BUT_GOOD = (
    Nonsense("year_300000", b'{"id":"%s","key":"sos","at":"300000-01-01T00:00:00Z"}'),
    Nonsense("no_time", b'{"id":"%s","key":"sos"}'),
    Nonsense("naive_time", b'{"id":"%s","key":"sos","at":"2026-03-01 12:00:00"}'),
    Nonsense("years_off", b'{"id":"%s","key":"sos","at":"1999-12-31T23:59:59Z"}'),
    Nonsense("battery_of_wrong_type", b'{"id":"%s","key":"sos","at":"2026-03-01T12:00:00Z","battery":"half"}'),
    Nonsense("unknown_fields", b'{"id":"%s","key":"sos","at":"2026-03-01T12:00:00Z","mood":"bad","v":[1,{}]}'),
)
"""Presses with a flaw that is no reason to lose them; `%s` is the alarm's id."""


def broken_alarm(draw: Random) -> Nonsense:
    """One of the messages that nobody can read."""
    return draw.choice(BROKEN_ALARMS)
