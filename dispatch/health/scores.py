"""NEWS2 while readings come in: when does what an elder's devices told within the hour score enough to call? Pure.

A single red parameter is what limits are for (`thresholds`, of which an elder may have others); here it is the sum that
counts: 5 and more asks for an urgent look (band 1), 7 and more for an emergency's (band 0). What is missing could only
add to the sum, so it is a lower bound. Like a limit it has to last before it rings (`sustained`): one clip that hangs
loose spoils pulse and saturation in the same reading.

Most readings score nothing and are of elders of whom nothing is held: those cost no more than `news2.is_ordinary`.
Of the others the newest of each parameter is held for an hour, from the first point on. A fifth of a city has a
saturation of 94 or 95 % at any time, which is one point and alone asks for nothing: of those no more is held than just
that (`note_mild`), until another parameter scores as well. What scores nothing before anything else did is not held,
so how much is missing is not known here: whoever shows the score reads it from what is stored.

Several parameters that agree are no single bad sample: three or more of one moment that score an emergency by
themselves ring at once.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from datetime import datetime, timedelta
from itertools import islice, takewhile

import msgspec

from dispatch.health import news2
from dispatch.health.news2 import EMERGENCY_FROM, URGENT_FROM, Scale
from dispatch.health.sustained import Grade, Phase, Rule, Waiting, Watch, step_one, waits
from dispatch.health.thresholds import is_surface
from dispatch.model import Cause, Vitals

FRESH = timedelta(hours=1)
"""As long as `news2.together` takes values for the present ones."""

MOMENT = timedelta(minutes=5)
"""Measured within so long is measured together: a cuff takes a minute, and is put on after the clip."""

AGREEING_MIN = 3
"""So many parameters of one moment that score an emergency need no second look."""

MILD_BELOW = 95 + 0.4995
"""A saturation below it that `news2.is_ordinary` lets pass scores one point."""

MILD_FORGOTTEN_AT_ONCE = 5000
"""Some ms of work; asked once a minute, it is several times what a city leaves behind."""

CODES: Mapping[str, int] = {"news2_urgent": URGENT_FROM, "news2_emergency": EMERGENCY_FROM}
RULE = Rule(margin=1)
"""It rings after a minute; a sum that is one less leaves things as they are."""


class Newest(msgspec.Struct, frozen=True, gc=False):
    """The newest of one parameter: when, its value, what it scores, and whether it was taken on the skin."""

    at: datetime
    value: float
    points: int
    is_surface: bool = False


class Scored(msgspec.Struct):
    """What is held of one elder: by parameter the newest, and what is watched by code."""

    newest: dict[str, Newest] = {}
    watches: dict[str, Watch] = {}


class Scores:
    """Each elder's by itself, under a key of the caller's: whoever measures one elder uses one key."""

    def __init__(self) -> None:
        self._held: dict[str, Scored] = {}
        self._mild: dict[str, Newest] = {}

    def __len__(self) -> int:
        """How many elders are held of whom more than a mild saturation is."""
        return len(self._held)

    def held(self) -> KeysView[str]:
        """The keys of those of whom something is held, now and later; of them even an ordinary reading counts."""
        return self._held.keys()

    def mild(self) -> Mapping[str, Newest]:
        """The newest mild saturation of terminals of which nothing else is held, now and later."""
        return self._mild

    def note_mild(self, reading: Vitals) -> None:
        """Hold the mild saturation of an ordinary reading, or let go of the one that it follows."""
        saturation = reading.spo2_percent
        if saturation is None:
            return
        at = news2.told_at(reading, reading.received_at)
        known = self._mild.get(reading.terminal_id)
        if known is not None:
            if known.at > at:
                return
            del self._mild[reading.terminal_id]  # so that the oldest stay in front
        if saturation < MILD_BELOW:
            self._mild[reading.terminal_id] = Newest(at, saturation, 1)

    def judge(self, key: str, reading: Vitals, scale: Scale, on_oxygen: bool | None) -> tuple[Cause, ...]:
        """What rings by one more reading; the same again for a reading told again."""
        points = news2.points(reading, scale, on_oxygen)
        held = self._holding(key, reading.terminal_id, any(points.values()))
        if held is None:
            return ()
        _take(held, reading, points)
        oxygen = 2 if on_oxygen else 0
        total = sum(each.points for each in held.newest.values()) + oxygen
        is_certain = _is_certain(held, reading, oxygen)
        causes = tuple(cause for code in CODES if (cause := _step(held, code, reading, total, is_certain)) is not None)
        if not held.watches:
            self._let_go(key, reading.terminal_id, held)
        return causes

    def _holding(self, key: str, terminal_id: str, scores: bool) -> Scored | None:
        """What is held under a key, with what was held under the terminal's own before anybody knew whom it measures.

        Begins anew if there is something to hold.
        """
        held = self._held.get(key)
        mild = self._mild.pop(terminal_id, None)
        before = self._held.pop(terminal_id, None) if key != terminal_id else None
        if held is None:
            if not scores and mild is None and before is None:
                return None
            held = self._held[key] = before or Scored()
        elif before is not None:
            for name, each in before.newest.items():
                _put(held, name, each)
        if mild is not None:
            _put(held, news2.SPO2, mild)
        return held

    def _let_go(self, key: str, terminal_id: str, held: Scored) -> None:
        """Hold nothing of those who score nothing, and no more than that of those with a mild saturation alone."""
        scoring = [name for name, each in held.newest.items() if each.points]
        if not scoring:
            del self._held[key]
        elif key == terminal_id and scoring == [news2.SPO2] and held.newest[news2.SPO2].points == 1:
            self._mild[terminal_id] = held.newest[news2.SPO2]
            del self._held[key]

    def waiting(self, now: datetime, keys: Iterable[str]) -> list[Waiting]:
        """Sums of these elders of which no reading has told for too long whether they last."""
        return [
            Waiting(key, watch.begun_by, _cause(held, code, watch.since_at, watch.begun_by))
            for key in keys
            if (held := self._held.get(key)) is not None
            for code, watch in held.watches.items()
            if waits(watch, now) and watch.begun_by is not None
        ]

    def note_asked(self, key: str, code: str) -> None:
        """Somebody was asked to measure again."""
        held = self._held.get(key)
        if held is not None and code in held.watches:
            held.watches[code] = msgspec.structs.replace(held.watches[code], is_asked=True)

    def forget(self, now: datetime, keys: Iterable[str]) -> None:
        """Let go of those elders of whom nothing is fresh and nothing rings, and of mild saturations."""
        oldest = now - FRESH
        for key in keys:
            held = self._held.get(key)
            if held is None:
                continue
            watched = [each.received_at for each in held.watches.values()]
            told = [each.at for each in held.newest.values()]
            if max(told + watched, default=oldest) <= oldest:
                del self._held[key]
        old = takewhile(lambda item: item[1].at <= oldest, self._mild.items())
        gone = [key for key, _ in islice(old, MILD_FORGOTTEN_AT_ONCE)]
        for key in gone:
            del self._mild[key]


def _put(held: Scored, name: str, newest: Newest) -> None:
    known = held.newest.get(name)
    if known is None or known.at <= newest.at:
        held.newest[name] = newest


def _take(held: Scored, reading: Vitals, points: Mapping[str, int]) -> None:
    """Put in what is newer than what is held, and leave out what is no longer fresh."""
    at = news2.told_at(reading, reading.received_at)
    for name, scored in points.items():
        _put(held, name, Newest(at, getattr(reading, name), scored, name == "temperature_c" and is_surface(reading)))
    fever = held.newest.get("temperature_c")
    if fever is not None and fever.is_surface and fever.at < at and news2.ends_fever_of_skin(reading):
        del held.newest["temperature_c"]
    oldest = reading.received_at - FRESH
    for name in [name for name, each in held.newest.items() if each.at < oldest]:
        del held.newest[name]


def _is_certain(held: Scored, reading: Vitals, oxygen: int) -> bool:
    """Whether what was measured at about the same time as this reading is an emergency, by several that agree."""
    since_at = news2.told_at(reading, reading.received_at) - MOMENT
    agreeing = [each.points for each in held.newest.values() if each.points and each.at >= since_at]
    return len(agreeing) >= AGREEING_MIN and sum(agreeing) + oxygen >= EMERGENCY_FROM


def _step(held: Scored, code: str, reading: Vitals, total: int, is_certain: bool) -> Cause | None:
    """What becomes of one watched sum by one reading, and what rings."""
    past = total - CODES[code]
    watch = held.watches.get(code)
    if watch is None and past < 0:
        return None
    grade = Grade.CROSSING if past >= 0 else Grade.NEAR if -past <= RULE.margin else Grade.CLEAR
    if grade is Grade.CROSSING and is_certain and (watch is None or watch.phase is not Phase.RINGING):
        grade = Grade.EXTREME
    after, ring = step_one(code, watch, reading, grade, RULE)
    if after is None:
        held.watches.pop(code, None)
    else:
        held.watches[code] = after
    if ring is None:
        return None
    return msgspec.structs.replace(_cause(held, code, ring.since_at, reading), score=total)


def _cause(held: Scored, code: str, since_at: datetime, reading: Vitals) -> Cause:
    values = {name: each.value for name, each in held.newest.items() if each.points}
    return Cause(code, since_at, reading.happened_at or reading.received_at, values)
