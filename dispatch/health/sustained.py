"""Sustained-for and hysteresis: one bad sample does not ring, and a wandering one does not ring forty times. Pure.

Each limit of each elder (`spo2_percent_low`) is watched by itself, and `step` folds readings into what is known of it:

    quiet      -> suspected  a reading crosses the limit
    suspected  -> quiet      readings have been clear of it (back past the limit by more than the rule's `margin`), two
                             or more in a row for a third of `for_s`, or more of them than have crossed it
    suspected  -> ringing    a later reading crosses it as well, `for_s` or more after the first. It rings
    any        -> ringing    one reading crosses the limit and lies beyond `EXTREMES`. It rings at once
    ringing    -> quiet      every reading has been clear for `clear_for_s`
    ringing    -> ringing    a reading still crosses it `again_s` after it rang, or is the first extreme one. It rings

One good sample among bad ones is as little a recovery as one bad sample among good ones is an emergency: a clip that
slips says both. But a clear reading after which nothing was told for twice `for_s` stands: what crosses the limit then
is a new matter. A reading between limit and margin leaves things as they are; so does one without this parameter, an
implausible one, and one that skin says of a low temperature. Every figure of the rules and extremes below is ours
unless it says otherwise, and a clinician should look at them.

**Time** is the device's word where it gives one: only differences count, so a clock that is wrong changes nothing. A
reading not newer than the last one came late or twice and leaves things as they are, but (a) an extreme one that we
did not hear before rings, and (b) one that made it ring rings again with the same words, for whoever was to store that
alarm may have failed and ask anew. A clock that was set back is believed after `SET_BACK_S` of waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import IntEnum, StrEnum

import msgspec

from dispatch.health.thresholds import DEFAULTS, Limits, Thresholds, is_surface, plausible
from dispatch.model import Cause, Vitals

GAP_S_MAX = 26 * 3600.0
"""Crossings further apart than what a device that measures once a day leaves between two are no longer one matter."""

SET_BACK_S = 600.0
"""So long after the last reading that counted, one that says it is older shows a clock set back, not a late message."""

UNCONFIRMED_S = 600.0
"""A suspicion that no reading confirms or clears for so long is worth a telephone call."""

REMEMBERED = 8
"""How many of the readings that rang are remembered by their instant, for those that are told again."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a limit must be crossed before it rings, and how clear of it a reading must be to end that.

    `margin` is in the parameter's unit.
    """

    margin: float
    for_s: float = 60.0
    clear_for_s: float = 300.0
    again_s: float = 6 * 3600.0

    @property
    def dropped_after_s(self) -> float:
        """So long must readings be clear before a suspicion is dropped, if more have crossed the limit."""
        return self.for_s / 3

    @property
    def stands_after_s(self) -> float:
        """After so long a single clear reading counts as the end of what was before."""
        return self.for_s * 2


Rules = Mapping[str, Rule]
"""Rules by the name of a field of `Vitals`."""

RULES: Rules = {
    "heart_rate_bpm": Rule(margin=5),
    "spo2_percent": Rule(margin=2),
    "systolic_mmhg": Rule(margin=10),
    "diastolic_mmhg": Rule(margin=10),
    "temperature_c": Rule(margin=0.5, for_s=300, clear_for_s=900),
    "respiration_per_min": Rule(margin=2),
}
"""`margin` is at most one column of the NEWS2 table; a body warms and cools slowly, so that has more time."""

EXTREMES: Thresholds = {
    "heart_rate_bpm": Limits(low=30, high=160),
    "spo2_percent": Limits(low=83),
    "systolic_mmhg": Limits(low=70, high=250),
    "diastolic_mmhg": Limits(high=150),
    "temperature_c": Limits(low=32.0, high=41.0),
    "respiration_per_min": Limits(low=5, high=35),
}
"""What rings on one reading, for waiting could cost a life: well beyond the red of the NEWS2 table (`thresholds`).

SpO2 at or below 83 % is red there on both scales, also for those who live at 88 %. An elder's own limit comes first:
what does not cross it never rings.
"""


class Phase(StrEnum):
    """What is known of one limit."""

    QUIET = "quiet"
    SUSPECTED = "suspected"
    RINGING = "ringing"


class Grade(IntEnum):
    """How one reading stands to one limit."""

    CLEAR = 0
    NEAR = 1
    CROSSING = 2
    EXTREME = 3


class Ring(msgspec.Struct, frozen=True):
    """A reason to call, such as `spo2_percent_low`; the readings from `since_at` to the present one are its cause."""

    code: str
    since_at: datetime
    is_extreme: bool = False


class Watch(msgspec.Struct, frozen=True):
    """One limit: since when it has been crossed, since when clear again, and what rang."""

    phase: Phase
    newest_at: datetime
    """The instant of the newest reading that counted."""
    received_at: datetime
    """When that reading was received."""
    since_at: datetime
    crossed_at: datetime
    """The first and the newest crossing of the present matter."""
    begun_by: Vitals | None = None
    """The first crossing reading of the present matter."""
    clear_at: datetime | None = None
    """The first of the clear readings since the last one that was not; None if there is none."""
    surplus: int = 1
    """By how many more readings crossed the limit than were clear of it, while it is suspected."""
    is_extreme: bool = False
    """Whether the present matter has rung as an extreme one."""
    extreme_at: datetime | None = None
    """The newest extreme reading, of this matter or one before; one that is older and comes late says nothing new."""
    is_asked: bool = False
    """Whether somebody was asked to measure again: nothing has been told since that confirms or clears a suspicion."""
    rang_at: datetime | None = None
    rang: tuple[tuple[datetime, Ring], ...] = ()
    """The newest that rang, by the instant of the reading."""


class Waiting(msgspec.Struct, frozen=True):
    """A suspicion that no reading has confirmed or cleared for too long; `key` is what it is held under."""

    key: str
    begun_by: Vitals
    cause: Cause


State = Mapping[str, Watch]
"""One elder's watched limits by their code. A limit that is quiet and rang nothing of late is not in it."""

QUIET: State = {}


def waits(watch: Watch, now: datetime) -> bool:
    """Whether a suspicion waits for a reading in vain: the last word was no clear one, `UNCONFIRMED_S` ago."""
    is_open = watch.phase is Phase.SUSPECTED and watch.clear_at is None and not watch.is_asked
    return is_open and _seconds(watch.received_at, now) > UNCONFIRMED_S


def step(
    state: State,
    reading: Vitals,
    limits: Thresholds = DEFAULTS,
    rules: Rules = RULES,
    extremes: Thresholds = EXTREMES,
) -> tuple[State, tuple[Ring, ...]]:
    """What is known after one more reading, and what rings by it.

    A reading that changes nothing gives `state` itself back, so quiet elders cost no memory.
    """
    changed: dict[str, Watch | None] = {}
    rings: list[Ring] = []
    for name, limit in limits.items():
        value = plausible(reading, name)
        if value is None:
            continue
        for code, grade in _grades(name, value, reading, limit, rules[name], extremes[name]):
            watch, ring = step_one(code, state.get(code), reading, grade, rules[name])
            if watch is not state.get(code):
                changed[code] = watch
            if ring is not None:
                rings.append(ring)
    if not changed:
        return state, tuple(rings)
    after = {**state, **changed}
    return {code: watch for code, watch in after.items() if watch is not None}, tuple(rings)


def _grades(
    name: str, value: float, reading: Vitals, limit: Limits, rule: Rule, extreme: Limits
) -> list[tuple[str, Grade]]:
    """How a value stands to the limits of its parameter, by their codes."""
    grades = []
    if limit.low is not None and not (name == "temperature_c" and is_surface(reading)):
        beyond = extreme.low is not None and value <= extreme.low
        grades.append((f"{name}_low", _grade(limit.low - value, rule.margin, beyond)))
    if limit.high is not None:
        beyond = extreme.high is not None and value >= extreme.high
        grades.append((f"{name}_high", _grade(value - limit.high, rule.margin, beyond)))
    return grades


def _grade(past: float, margin: float, is_beyond_extreme: bool) -> Grade:
    """`past` is by how much the value has passed its limit, negative if it has not."""
    if past >= 0:
        return Grade.EXTREME if is_beyond_extreme else Grade.CROSSING
    return Grade.NEAR if -past <= margin else Grade.CLEAR


def step_one(
    code: str, watch: Watch | None, reading: Vitals, grade: Grade, rule: Rule
) -> tuple[Watch | None, Ring | None]:
    """What becomes of one watched limit (or of a score, see `scores`) by one reading."""
    at = reading.happened_at or reading.received_at
    if watch is None:
        return _begin(code, None, reading, at, grade) if grade >= Grade.CROSSING else (None, None)
    if at <= watch.newest_at:
        is_late = _seconds(watch.received_at, reading.received_at) <= SET_BACK_S
        return _late(code, watch, at, grade) if is_late else _set_back(code, watch, reading, at, grade)
    return _newer(code, watch, reading, at, grade, rule)


def _newer(
    code: str, watch: Watch, reading: Vitals, at: datetime, grade: Grade, rule: Rule
) -> tuple[Watch | None, Ring | None]:
    watch = msgspec.structs.replace(watch, newest_at=at, received_at=reading.received_at)
    if grade is Grade.CLEAR:
        return _clear(watch, at, rule), None
    if grade is Grade.NEAR:
        return msgspec.structs.replace(watch, clear_at=None), None
    if _is_new_matter(watch, at, rule):
        return _begin(code, watch, reading, at, grade)
    return _go_on(code, watch, at, grade, rule)


def _is_new_matter(watch: Watch, at: datetime, rule: Rule) -> bool:
    if watch.phase is Phase.QUIET or _seconds(watch.crossed_at, at) > GAP_S_MAX:
        return True
    is_suspected = watch.phase is Phase.SUSPECTED
    return is_suspected and watch.clear_at is not None and _seconds(watch.clear_at, at) > rule.stands_after_s


def _begin(code: str, before: Watch | None, reading: Vitals, at: datetime, grade: Grade) -> tuple[Watch, Ring | None]:
    """The first crossing of a new matter."""
    watch = Watch(Phase.SUSPECTED, at, reading.received_at, since_at=at, crossed_at=at, begun_by=reading)
    if before is not None:
        watch = msgspec.structs.replace(watch, rang=before.rang, extreme_at=before.extreme_at)
    if grade is Grade.EXTREME:
        watch = msgspec.structs.replace(watch, extreme_at=at)
    return _ring(code, watch, at, grade) if grade is Grade.EXTREME else (watch, None)


def _go_on(code: str, watch: Watch, at: datetime, grade: Grade, rule: Rule) -> tuple[Watch, Ring | None]:
    """One more crossing of a matter that is suspected or rings already."""
    extreme_at = at if grade is Grade.EXTREME else watch.extreme_at
    watch = msgspec.structs.replace(
        watch, crossed_at=at, clear_at=None, extreme_at=extreme_at, surplus=watch.surplus + 1
    )
    if watch.rang_at is None:
        rings = _seconds(watch.since_at, at) >= rule.for_s
    else:
        rings = _seconds(watch.rang_at, at) >= rule.again_s
    if rings or (grade is Grade.EXTREME and not watch.is_extreme):
        return _ring(code, watch, at, grade)
    return watch, None


def _ring(code: str, watch: Watch, at: datetime, grade: Grade) -> tuple[Watch, Ring]:
    is_extreme = grade is Grade.EXTREME
    ring = Ring(code, watch.since_at, is_extreme)
    after = msgspec.structs.replace(
        watch,
        phase=Phase.RINGING,
        rang_at=at,
        is_extreme=watch.is_extreme or is_extreme,
        rang=(*watch.rang, (at, ring))[-REMEMBERED:],
    )
    return after, ring


def _clear(watch: Watch, at: datetime, rule: Rule) -> Watch | None:
    """A suspicion is dropped, and what rings is over, when readings have been clear for long enough."""
    clear_at = watch.clear_at or at
    clear_s = _seconds(clear_at, at)
    if watch.phase is Phase.SUSPECTED:
        surplus = watch.surplus - 1
        is_dropped = surplus < 0 or clear_s >= rule.dropped_after_s
        return _quiet(watch) if is_dropped else msgspec.structs.replace(watch, clear_at=clear_at, surplus=surplus)
    if watch.phase is Phase.RINGING:
        is_over = clear_s >= rule.clear_for_s
        return _quiet(watch) if is_over else msgspec.structs.replace(watch, clear_at=clear_at)
    is_forgotten = watch.rang_at is None or _seconds(watch.rang[-1][0], at) > GAP_S_MAX
    return None if is_forgotten else watch


def _quiet(watch: Watch) -> Watch | None:
    """A matter is over; what rang is remembered for a while, for it may be told again."""
    if not watch.rang:
        return None
    return msgspec.structs.replace(watch, phase=Phase.QUIET, clear_at=None, is_extreme=False)


def _late(code: str, watch: Watch, at: datetime, grade: Grade) -> tuple[Watch, Ring | None]:
    """A reading that is not newer than the last: told twice, or on its way for longer."""
    told = next((ring for rang_at, ring in watch.rang if rang_at == at), None)
    if told is not None:
        return watch, told if grade >= Grade.CROSSING else None
    is_known = watch.extreme_at is not None and at <= watch.extreme_at
    if grade is not Grade.EXTREME or is_known or (watch.is_extreme and watch.phase is Phase.RINGING):
        return watch, None
    after, ring = _ring(code, msgspec.structs.replace(watch, since_at=at), at, grade)
    newest_at = watch.newest_at  # durations go on from there, not from a reading that came late
    return msgspec.structs.replace(after, rang_at=newest_at, crossed_at=newest_at, extreme_at=at), ring


def _set_back(code: str, watch: Watch, reading: Vitals, at: datetime, grade: Grade) -> tuple[Watch | None, Ring | None]:
    """The device's clock runs behind what it said before: durations begin again, and what rings goes on ringing."""
    moved = msgspec.structs.replace(watch, newest_at=at, received_at=reading.received_at, crossed_at=at, since_at=at)
    moved = msgspec.structs.replace(moved, extreme_at=at if grade is Grade.EXTREME else None)
    if watch.phase is not Phase.RINGING:
        if grade >= Grade.CROSSING:
            return _begin(code, moved, reading, at, grade)
        return (_quiet(moved) if grade is Grade.CLEAR else moved), None
    moved = msgspec.structs.replace(moved, rang_at=at, clear_at=at if grade is Grade.CLEAR else None)
    if grade is Grade.EXTREME and not watch.is_extreme:
        return _ring(code, moved, at, grade)
    return moved, None


def _seconds(start_at: datetime, end_at: datetime) -> float:
    return (end_at - start_at).total_seconds()
