"""Is one reading critical? Pure: a reading and limits in, the crossed limits out.

The default limits are NEWS2's single-parameter red scores (Royal College of Physicians, National Early Warning Score 2,
2017: a score of 3 in any one parameter asks for an urgent look) for pulse, SpO2 scale 1, systolic pressure,
respiration and low temperature. NEWS2 has no red score for a high temperature and none for the diastolic pressure:
those two limits are ours. An elder's own limits replace single ones (somebody with COPD lives at 88 %).

Readings outside what a living person at home can have, or a device can measure, say that a sensor hangs loose, not
that somebody is dying: 0 beats a minute is a finger taken out. They cross nothing. (These bounds are ours.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from math import inf

import msgspec

from dispatch.errors import BadInput
from dispatch.model import Alarm, Cause, Key, Origin, Vitals


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A value at or below `low`, or at or above `high`, is critical; None is no limit on that side."""

    low: float | None = None
    high: float | None = None


Thresholds = Mapping[str, Limits]
"""Limits by the name of a field of `Vitals`, in that field's unit."""

DEFAULTS: Thresholds = {
    "heart_rate_bpm": Limits(low=40, high=131),
    "spo2_percent": Limits(low=91),
    "systolic_mmhg": Limits(low=90, high=220),
    "diastolic_mmhg": Limits(high=130),
    "temperature_c": Limits(low=35.0, high=40.0),
    "respiration_per_min": Limits(low=8, high=25),
}
PLAUSIBLE: Mapping[str, tuple[float, float]] = {
    "heart_rate_bpm": (20, 300),
    "spo2_percent": (30, 100),
    "systolic_mmhg": (40, 300),
    "diastolic_mmhg": (20, 250),
    "temperature_c": (20, 45),
    "respiration_per_min": (2, 80),
}
SURFACE_SITES = frozenset({"skin", "wrist", "finger", "hand", "foot"})
"""Where 33 °C is the ordinary temperature of the skin: the low limit says nothing there."""


class _OwnLimits(msgspec.Struct, forbid_unknown_fields=True):
    heart_rate_bpm: dict[str, float | None] = {}
    spo2_percent: dict[str, float | None] = {}
    systolic_mmhg: dict[str, float | None] = {}
    diastolic_mmhg: dict[str, float | None] = {}
    temperature_c: dict[str, float | None] = {}
    respiration_per_min: dict[str, float | None] = {}


def with_own(own: bytes | str | None, defaults: Thresholds = DEFAULTS) -> Thresholds:
    """The defaults with one elder's own limits put in.

    `own` is JSON such as `{"spo2_percent": {"low": 84}, "heart_rate_bpm": {"high": null}}`: what is named replaces the
    default (null takes the limit away), what is not named stays. Raises BadInput (`bad_thresholds`).
    """
    if not own:
        return defaults
    try:
        given = msgspec.structs.asdict(msgspec.json.decode(own, type=_OwnLimits))
        return {name: _replace(limits, given[name]) for name, limits in defaults.items()}
    except msgspec.MsgspecError as error:
        raise BadInput("bad_thresholds", reason=str(error)) from None


def _replace(limits: Limits, given: dict[str, float | None]) -> Limits:
    return msgspec.convert(msgspec.structs.asdict(limits) | given, Limits)


def crossed(reading: Vitals, thresholds: Thresholds = DEFAULTS) -> tuple[str, ...]:
    """Codes of the limits that a reading crosses, such as `spo2_percent_low`; empty when it is not critical."""
    if thresholds is DEFAULTS and _is_within_defaults(reading):
        return ()
    codes = []
    for name, limits in thresholds.items():
        value = getattr(reading, name)
        if value is None:
            continue
        is_low = limits.low is not None and value <= limits.low
        is_high = limits.high is not None and value >= limits.high
        if (is_low or is_high) and plausible(reading, name) is not None:
            if is_low and not (name == "temperature_c" and is_surface(reading)):
                codes.append(f"{name}_low")
            elif is_high:
                codes.append(f"{name}_high")
    return tuple(codes)


def _between(name: str) -> tuple[float, float]:
    limits = DEFAULTS[name]
    return -inf if limits.low is None else limits.low, inf if limits.high is None else limits.high


_PULSE_LOW, _PULSE_HIGH = _between("heart_rate_bpm")
_OXYGEN_LOW, _OXYGEN_HIGH = _between("spo2_percent")
_SYSTOLIC_LOW, _SYSTOLIC_HIGH = _between("systolic_mmhg")
_DIASTOLIC_LOW, _DIASTOLIC_HIGH = _between("diastolic_mmhg")
_WARMTH_LOW, _WARMTH_HIGH = _between("temperature_c")
_BREATHS_LOW, _BREATHS_HIGH = _between("respiration_per_min")


def _is_within_defaults(reading: Vitals) -> bool:
    """Nearly every reading is; written out, it takes a third of what it takes to say which limit one crosses."""
    return (
        ((value := reading.heart_rate_bpm) is None or _PULSE_LOW < value < _PULSE_HIGH)
        and ((value := reading.spo2_percent) is None or _OXYGEN_LOW < value < _OXYGEN_HIGH)
        and ((value := reading.systolic_mmhg) is None or _SYSTOLIC_LOW < value < _SYSTOLIC_HIGH)
        and ((value := reading.diastolic_mmhg) is None or _DIASTOLIC_LOW < value < _DIASTOLIC_HIGH)
        and ((value := reading.temperature_c) is None or _WARMTH_LOW < value < _WARMTH_HIGH)
        and ((value := reading.respiration_per_min) is None or _BREATHS_LOW < value < _BREATHS_HIGH)
    )


def plausible(reading: Vitals, name: str) -> float | None:
    """What a reading says of one parameter; None if it was not measured or is nothing that a living person has."""
    value: float | None = getattr(reading, name)
    if value is None:
        return None
    least, most = PLAUSIBLE[name]
    return value if least <= value <= most else None


def is_surface(reading: Vitals) -> bool:
    """Whether the temperature was taken on the skin, which is cooler than the body it covers."""
    return reading.temperature_site in SURFACE_SITES


def as_alarm(reading: Vitals, codes: tuple[str, ...], causes: tuple[Cause, ...] = (), key: Key = Key.VITALS) -> Alarm:
    """The alarm that a critical reading raises: the crossed limits' codes as its flaws, which the log may name; the
    readings themselves as its causes, which stay beside it.

    Its id comes from the reading, so that the same reading told twice is one alarm.
    """
    content = msgspec.json.encode((reading.happened_at or reading.received_at, codes, _measured(reading)))
    digest = hashlib.sha256(content).digest()
    return Alarm(
        terminal_id=reading.terminal_id,
        alarm_id=f"vitals-{digest.hex()[:24]}",
        key=key,
        received_at=reading.received_at,
        digest=digest,
        happened_at=reading.happened_at,
        flaws=codes,
        origin=Origin.VITALS,
        causes=causes,
    )


def _measured(reading: Vitals) -> tuple[float | None, ...]:
    return tuple(getattr(reading, name) for name in DEFAULTS)
