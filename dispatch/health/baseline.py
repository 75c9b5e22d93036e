"""Is an elder's own ordinary changing? Trend of one parameter against the elder's own past. Pure.

A day is one number, the median of its readings, so that neither a loose clip nor a device that talks more makes a
trend. The baseline is median and spread of `BASELINE_DAYS` days; the present is the median of the newest
`PRESENT_DAYS` days, which the baseline leaves out, or a slow drift would be its own ordinary. The spread is the median
absolute deviation (MAD) times 1.4826, which makes it the standard deviation if values are normally distributed. Unlike
mean and standard deviation, both stay where they are while less than half of the days are odd.

A change is unusual beyond `UNUSUAL_FROM` spreads: 3.5 is the limit of the modified z-score in Iglewicz and Hoaglin, How
to Detect and Handle Outliers (ASQC, 1993). It also has to be at least `MATTERS_FROM`, for somebody whose pulse is 62 on
every day of the month is not in danger at 64. Numbers of days and `MATTERS_FROM` are ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta, tzinfo
from statistics import median

import msgspec

from dispatch.health.thresholds import is_surface, plausible
from dispatch.model import Vitals

PRESENT_DAYS = 3
PRESENT_DAYS_MIN = 2
"""Of the newest three days so many must have readings: one odd day is no trend."""
BASELINE_DAYS = 28
BASELINE_DAYS_MIN = 10
"""Without so many days of the four weeks before, nobody knows what is ordinary."""

SIGMA_OF_MAD = 1.4826
UNUSUAL_FROM = 3.5
MATTERS_FROM: Mapping[str, float] = {
    "heart_rate_bpm": 10,
    "spo2_percent": 2,
    "systolic_mmhg": 15,
    "diastolic_mmhg": 10,
    "temperature_c": 0.5,
    "respiration_per_min": 3,
}
"""The least change that is worth a word, in the parameter's unit."""


class Day(msgspec.Struct, frozen=True):
    """One day's readings of one parameter: their median in the parameter's unit, and how many there were."""

    day: date
    value: float
    count: int


class Baseline(msgspec.Struct, frozen=True):
    """What is ordinary for one elder: median and spread of so many days, in the parameter's unit."""

    value: float
    spread: float
    days: int


class Trend(msgspec.Struct, frozen=True):
    """The present against the baseline.

    `score` is the change in spreads, negative when it falls, and None where the days were all alike. `code` is such as
    `heart_rate_bpm_rising`, and None while the change is a usual one. `present` are the days that say so.
    """

    name: str
    baseline: Baseline
    present: tuple[Day, ...]
    value: float
    change: float
    score: float | None
    code: str | None


def by_day(readings: Iterable[Vitals], name: str, zone: tzinfo) -> list[Day]:
    """Days of one parameter, the oldest first; `zone` says when a day begins.

    Readings may come in any order, doubled or late: a reading belongs to the day on which it happened, and the same
    value of the same instant counts once. Implausible values and temperatures of the skin do not count.
    """
    told: dict[date, set[tuple[float, float]]] = defaultdict(set)
    for reading in readings:
        value = plausible(reading, name)
        if value is None or (name == "temperature_c" and is_surface(reading)):
            continue
        at = reading.happened_at or reading.received_at
        told[at.astimezone(zone).date()].add((at.timestamp(), value))
    return [Day(day, median(value for _, value in values), len(values)) for day, values in sorted(told.items())]


def baseline(days: Iterable[Day], today: date) -> Baseline | None:
    """What is ordinary before the present days, of which `today` is the newest; None if too few days are known."""
    newest = today - timedelta(days=PRESENT_DAYS)
    values = [each.value for each in days if newest - timedelta(days=BASELINE_DAYS) < each.day <= newest]
    if len(values) < BASELINE_DAYS_MIN:
        return None
    middle = median(values)
    spread = SIGMA_OF_MAD * median(abs(value - middle) for value in values)
    return Baseline(middle, spread, len(values))


def trend(days: Sequence[Day], name: str, today: date) -> Trend | None:
    """The trend of one parameter up to `today`; None if the present or the past is known too little.

    `days` has each day at most once, in any order. Days after today do not count.
    """
    oldest = today - timedelta(days=PRESENT_DAYS)
    present = tuple(sorted((each for each in days if oldest < each.day <= today), key=lambda each: each.day))
    ordinary = baseline(days, today)
    if ordinary is None or len(present) < PRESENT_DAYS_MIN:
        return None
    value = median(each.value for each in present)
    change = value - ordinary.value
    score = change / ordinary.spread if ordinary.spread else None
    return Trend(name, ordinary, present, value, change, score, _code(name, change, score))


def _code(name: str, change: float, score: float | None) -> str | None:
    if abs(change) < MATTERS_FROM[name] or (score is not None and abs(score) < UNUSUAL_FROM):
        return None
    return f"{name}_rising" if change > 0 else f"{name}_falling"
