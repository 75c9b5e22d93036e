"""Which waiting call is served first. Pure.

Life comes strictly first: among calls of band 0 the oldest, and no other call ever passes one of them. Below band 0 a
call's priority grows with every second it waits, so that under a long overload the least urgent are late and not lost
(strict priority on top, ageing below: Stanford, Taylor & Ziedins 2014). In numbers, ours:

    priority_s = seconds waited + 120 × level − handicap of the band        (the larger goes first)

with a handicap of 0 s in band 1, 600 s in band 2 and 1,800 s in band 3: a service call that has waited 30 minutes
longer than a fresh urgent one stands level with it. A step climbed on the ladder counts like two minutes of waiting.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from dispatch.model import Band, IncidentId

if TYPE_CHECKING:
    from collections.abc import Iterable

HANDICAP_S = {Band.LIFE: 0.0, Band.URGENT: 0.0, Band.ORDINARY: 600.0, Band.SERVICE: 1800.0}
LEVEL_IS_WORTH_S = 120.0


class Waiting(msgspec.Struct, frozen=True):
    """A call that wants somebody: `wants` more offers should be out. `level` is how far its ladder has climbed."""

    incident_id: IncidentId
    band: Band
    opened_at: datetime
    level: int = 0
    wants: int = 1


def order(waiting: Iterable[Waiting], now: datetime) -> list[Waiting]:
    """The calls in the order in which they are to be given a worker; ties go by the (time-ordered) id."""
    return sorted(waiting, key=lambda call: _place_in_line(call, now))


def priority_s(call: Waiting, now: datetime) -> float:
    """How far ahead a call of band 1 to 3 stands, in seconds; see the module. Not for band 0, which stands apart."""
    waited_s = max(0.0, (now - call.opened_at).total_seconds())
    return waited_s + LEVEL_IS_WORTH_S * call.level - HANDICAP_S[call.band]


def _place_in_line(call: Waiting, now: datetime) -> tuple[bool, float, bytes]:
    is_life = call.band == Band.LIFE
    ahead_s = (now - call.opened_at).total_seconds() if is_life else priority_s(call, now)
    return not is_life, -ahead_s, call.incident_id.bytes
