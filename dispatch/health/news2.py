"""NEWS2 from what a home's devices measure: a score that says what it lacks, never a bare number. Pure.

The table is the National Early Warning Score 2, reproduced unaltered with acknowledgement: Royal College of Physicians,
National Early Warning Score (NEWS) 2: Standardising the assessment of acute-illness severity in the NHS, London 2017.

At home there is seldom everything that NEWS2 asks for, so `Score.total` counts what is there and is a lower bound: what
is missing could only add to it, at most up to `Score.most`. Such a score may raise a call's band; that it is low says
nothing, so it never lowers one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from dispatch.health.thresholds import PLAUSIBLE, is_surface, plausible
from dispatch.model import Band, Vitals


class Scale(StrEnum):
    """Which SpO2 scale is right for an elder.

    TWO is for those whose own target is 88–92 % (hypercapnic respiratory failure), on a clinician's word only.
    """

    ONE = "one"
    TWO = "two"


class Consciousness(StrEnum):
    """ACVPU: how awake somebody is; confusion counts when it is new."""

    ALERT = "alert"
    CONFUSION = "confusion"
    VOICE = "voice"
    PAIN = "pain"
    UNRESPONSIVE = "unresponsive"


Columns = tuple[tuple[float, int], ...]
Cut = tuple[tuple[float, ...], tuple[int, ...]]
"""Columns of the table from low to high: the last value that belongs to a column, and the column's score."""

TABLE: Mapping[str, Columns] = {
    "respiration_per_min": ((8, 3), (11, 1), (20, 0), (24, 2), (math.inf, 3)),
    "systolic_mmhg": ((90, 3), (100, 2), (110, 1), (219, 0), (math.inf, 3)),
    "heart_rate_bpm": ((40, 3), (50, 1), (90, 0), (110, 1), (130, 2), (math.inf, 3)),
    "temperature_c": ((35.0, 3), (36.0, 1), (38.0, 0), (39.0, 1), (math.inf, 2)),
}
SPO2_ONE: Columns = ((91, 3), (93, 2), (95, 1), (math.inf, 0))
SPO2_TWO_ON_AIR: Columns = ((83, 3), (85, 2), (87, 1), (math.inf, 0))
SPO2_TWO_ON_OXYGEN: Columns = ((83, 3), (85, 2), (87, 1), (92, 0), (94, 1), (96, 2), (math.inf, 3))


def _cut(columns: Columns, step: float = 1.0) -> Cut:
    """Where one column ends and the next begins, and what each scores.

    Values count as rounded to the table's own steps, halves up: its columns leave no value between 91 and 92, or 35.0
    and 35.1. A thousandth of a step less than a half is a half that was stored as a float of four bytes.
    """
    return tuple(last + step * 0.4995 for last, _ in columns[:-1]), tuple(points for _, points in columns)


CUTS = {name: _cut(columns, 0.1 if name == "temperature_c" else 1.0) for name, columns in TABLE.items()}
CUT_ONE, CUT_TWO_ON_AIR, CUT_TWO_ON_OXYGEN = map(_cut, (SPO2_ONE, SPO2_TWO_ON_AIR, SPO2_TWO_ON_OXYGEN))

OXYGEN, CONSCIOUSNESS, SPO2 = "air_or_oxygen", "consciousness", "spo2_percent"
MOST: Mapping[str, int] = {
    "respiration_per_min": 3,
    SPO2: 3,
    OXYGEN: 2,
    "systolic_mmhg": 3,
    "heart_rate_bpm": 3,
    CONSCIOUSNESS: 3,
    "temperature_c": 3,
}
"""The seven parameters in the table's order, and the most that each can score: 20 together."""

URGENT_FROM, EMERGENCY_FROM, RED = 5, 7, 3

FEVER_FROM = 38.0 + 0.1 * 0.4995
"""What is rounded to 38.1 °C."""


class Score(msgspec.Struct, frozen=True):
    """What is known of an elder's NEWS2.

    `total` is the sum of `by_parameter`; with everything `missing` at its worst it would be `most`. `red` names the
    parameters that score 3 alone. `band` is the band that this asks for at least, or None when it asks for nothing.
    """

    total: int
    most: int
    by_parameter: Mapping[str, int]
    missing: tuple[str, ...]
    red: tuple[str, ...]
    band: Band | None

    @property
    def is_complete(self) -> bool:
        """Whether all seven parameters were known."""
        return not self.missing


def score(
    reading: Vitals,
    *,
    scale: Scale = Scale.ONE,
    on_oxygen: bool | None = None,
    consciousness: Consciousness | None = None,
) -> Score:
    """The score of what is present in `reading`; None is not known, and a value no living person has is missing too.

    No device says whether somebody breathes oxygen or is awake: these come from the register or from who is there.
    """
    scores = points(reading, scale, on_oxygen)
    saturation = plausible(reading, SPO2)
    if on_oxygen is not None:
        scores[OXYGEN] = 2 if on_oxygen else 0
    if consciousness is not None:
        scores[CONSCIOUSNESS] = 0 if consciousness is Consciousness.ALERT else RED
    unsure = 0
    if saturation is not None and on_oxygen is None:
        unsure = _spo2_points(saturation, scale, True) - scores[SPO2]
    return _summed(scores, unsure)


def points(reading: Vitals, scale: Scale, on_oxygen: bool | None) -> dict[str, int]:
    """What each parameter that was measured scores by itself.

    The skin is cooler than the body it covers, so of a temperature taken there only a fever counts.
    """
    scores = {}
    for name, (bounds, columns) in CUTS.items():
        value = plausible(reading, name)
        if value is None or (name == "temperature_c" and ends_fever_of_skin(reading)):
            continue
        scores[name] = columns[bisect_right(bounds, value)]
    saturation = plausible(reading, SPO2)
    if saturation is not None:
        scores[SPO2] = _spo2_points(saturation, scale, on_oxygen)
    return scores


def is_ordinary(reading: Vitals) -> bool:
    """Whether whatever was measured scores nothing, rounded as in the table, but for a saturation that scores 1.

    A fifth of a city has 94 or 95 % at any time, and one point alone asks for nothing. This is asked of each reading,
    tens of thousands a second, so it is written out.
    """
    rate, saturation, pressure = reading.heart_rate_bpm, reading.spo2_percent, reading.systolic_mmhg
    breaths, warmth = reading.respiration_per_min, reading.temperature_c
    return (
        (rate is None or 50.5 <= rate < 90.5)
        and (saturation is None or saturation >= 93.5)
        and (pressure is None or 110.5 <= pressure < 219.5)
        and (breaths is None or 11.5 <= breaths < 20.5)
        and (warmth is None or (warmth < FEVER_FROM and (warmth >= 36.05 or is_surface(reading))))
    )


def told_at(reading: Vitals, now: datetime) -> datetime:
    """When a reading happened; one that says it happened later than now is as old as its receipt."""
    happened_at = reading.happened_at
    return reading.received_at if happened_at is None or happened_at > now else happened_at


def ends_fever_of_skin(reading: Vitals) -> bool:
    """Whether a temperature was taken on the skin, where it says nothing but that no fever is felt there any more."""
    value = plausible(reading, "temperature_c")
    return value is not None and value < FEVER_FROM and is_surface(reading)


def together(readings: Iterable[Vitals], now: datetime, within_s: float = 3600.0) -> Vitals | None:
    """One reading out of many of one elder: the newest plausible value of each parameter, if at most so old.

    A cuff tells a pressure, a finger clip a saturation: a score needs both. Readings may come in any order and doubled.
    One that says it happened later than now is as old as its receipt. That the skin feels no fever says nothing of a
    temperature taken elsewhere. None if nothing is fresh.
    """
    oldest = now - timedelta(seconds=within_s)
    merged: Vitals | None = None
    for reading in sorted(readings, key=lambda each: (told_at(each, now), each.received_at)):
        if told_at(reading, now) >= oldest:
            merged = reading if merged is None else _newer(merged, reading)
    return merged


def _newer(older: Vitals, newer: Vitals) -> Vitals:
    told: dict[str, float | str | None] = {
        name: value for name in PLAUSIBLE if (value := plausible(newer, name)) is not None
    }
    if ends_fever_of_skin(newer) and older.temperature_c is not None and not is_surface(older):
        del told["temperature_c"]
    if "temperature_c" in told:
        told["temperature_site"] = newer.temperature_site
    return msgspec.structs.replace(older, received_at=newer.received_at, happened_at=newer.happened_at, **told)


def _spo2_points(saturation: float, scale: Scale, on_oxygen: bool | None) -> int:
    """Not known to be on oxygen scores as on air, which is the lower of the two."""
    cut = CUT_ONE if scale is Scale.ONE else CUT_TWO_ON_OXYGEN if on_oxygen else CUT_TWO_ON_AIR
    return cut[1][bisect_right(cut[0], saturation)]


def _summed(scores: Mapping[str, int], unsure: int) -> Score:
    by_parameter = {name: scores[name] for name in MOST if name in scores}
    missing = tuple(name for name in MOST if name not in scores)
    total = sum(by_parameter.values())
    red = tuple(name for name, points in by_parameter.items() if points == RED)
    most = total + unsure + sum(MOST[name] for name in missing)
    return Score(total, most, by_parameter, missing, red, _band(total, red))


def _band(total: int, red: tuple[str, ...]) -> Band | None:
    if total >= EMERGENCY_FROM:
        return Band.LIFE
    return Band.URGENT if total >= URGENT_FROM or red else None
