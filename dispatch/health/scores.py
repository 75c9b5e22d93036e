"""NEWS2 while readings come in: when does what an elder's devices told within the hour score enough to call? Pure.

A single red parameter is what limits are for (`thresholds`, of which an elder may have others); here it is the sum that
counts: 5 and more asks for an urgent look (band 1), 7 and more for an emergency's (band 0). What is missing could only
add to the sum, so it is a lower bound. Like a limit it has to last before it rings (`sustained`): one clip that hangs
loose spoils pulse and saturation in the same reading.

Most readings score little and are of elders of whom nothing is held: those cost no more than `news2.is_ordinary`.
What is held of the others is the newest score of each parameter, for an hour, from the first reading on that scores
`HELD_FROM` until they add up to less: a fifth of a city has a saturation of 95 % at any time. What came before is not
held, so how much is missing is not known here: whoever shows the score reads it from what is stored.
"""

from __future__ import annotations

from collections.abc import KeysView, Mapping
from datetime import datetime, timedelta

import msgspec

from dispatch.health import news2
from dispatch.health.news2 import EMERGENCY_FROM, URGENT_FROM, Scale
from dispatch.health.sustained import Grade, Rule, Watch, step_one
from dispatch.model import Cause, Vitals

FRESH = timedelta(hours=1)
"""As long as `news2.together` takes values for the present ones."""

HELD_FROM = 2
"""Five parameters that come one by one and score 1 each are missed; everything else that adds up to 5 is not."""

CODES: Mapping[str, int] = {"news2_urgent": URGENT_FROM, "news2_emergency": EMERGENCY_FROM}
RULE = Rule(margin=1)
"""It rings after a minute; a sum that is one less leaves things as they are."""


class Newest(msgspec.Struct, frozen=True):
    """The newest of one parameter: when, its value, and what it scores."""

    at: datetime
    value: float
    points: int


class Scored(msgspec.Struct):
    """What is held of one elder: by parameter the newest, and what is watched by code."""

    newest: dict[str, Newest] = {}
    watches: dict[str, Watch] = {}


class Scores:
    """Each elder's by itself, under a key of the caller's: whoever measures one elder uses one key."""

    def __init__(self) -> None:
        self._held: dict[str, Scored] = {}

    def __len__(self) -> int:
        """How many elders something is held of."""
        return len(self._held)

    def held(self) -> KeysView[str]:
        """The keys of those of whom something is held, now and later; of them even an ordinary reading counts."""
        return self._held.keys()

    def judge(self, key: str, reading: Vitals, scale: Scale, on_oxygen: bool | None) -> tuple[Cause, ...]:
        """What rings by one more reading; the same again for a reading told again."""
        points = news2.points(reading, scale, on_oxygen)
        held = self._held.get(key)
        if held is None:
            if sum(points.values()) < HELD_FROM:
                return ()
            held = self._held[key] = Scored()
        _take(held, reading, points)
        total = sum(each.points for each in held.newest.values()) + (2 if on_oxygen else 0)
        causes = tuple(cause for code in CODES if (cause := _step(held, code, reading, total)) is not None)
        if not held.watches and sum(each.points for each in held.newest.values()) < HELD_FROM:
            del self._held[key]
        return causes

    def forget(self, now: datetime) -> None:
        """Let go of elders of whom nothing is fresh and nothing rings."""
        oldest = now - FRESH
        for key, held in list(self._held.items()):
            watched = [each.received_at for each in held.watches.values()]
            told = [each.at for each in held.newest.values()]
            if max(told + watched, default=oldest) <= oldest:
                del self._held[key]


def _take(held: Scored, reading: Vitals, points: Mapping[str, int]) -> None:
    """Put in what is newer than what is held, and leave out what is no longer fresh."""
    at = news2.told_at(reading, reading.received_at)
    for name, scored in points.items():
        known = held.newest.get(name)
        if known is None or known.at <= at:
            held.newest[name] = Newest(at, getattr(reading, name), scored)
    oldest = reading.received_at - FRESH
    for name in [name for name, each in held.newest.items() if each.at < oldest]:
        del held.newest[name]


def _step(held: Scored, code: str, reading: Vitals, total: int) -> Cause | None:
    """What becomes of one watched sum by one reading, and what rings."""
    past = total - CODES[code]
    watch = held.watches.get(code)
    if watch is None and past < 0:
        return None
    grade = Grade.CROSSING if past >= 0 else Grade.NEAR if -past <= RULE.margin else Grade.CLEAR
    after, ring = step_one(code, watch, reading, grade, RULE)
    if after is None:
        held.watches.pop(code, None)
    else:
        held.watches[code] = after
    if ring is None:
        return None
    values = {name: each.value for name, each in held.newest.items() if each.points}
    return Cause(code, ring.since_at, reading.happened_at or reading.received_at, values, total)
