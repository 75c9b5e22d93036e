"""Which readings are critical, for everybody and for one elder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.errors import BadInput
from dispatch.health.thresholds import DEFAULTS, as_alarm, crossed, with_own
from dispatch.model import Key, Origin, TerminalId, Vitals

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def reading(**measured: float | str) -> Vitals:
    return msgspec.convert({"terminal_id": "t1", "received_at": AT, **measured}, Vitals)


@pytest.mark.parametrize(
    ("measured", "codes"),
    [
        ({}, ()),
        ({"heart_rate_bpm": 72, "spo2_percent": 97, "temperature_c": 36.6, "systolic_mmhg": 128}, ()),
        ({"spo2_percent": 92}, ()),
        ({"spo2_percent": 91}, ("spo2_percent_low",)),
        ({"heart_rate_bpm": 40}, ("heart_rate_bpm_low",)),
        ({"heart_rate_bpm": 131}, ("heart_rate_bpm_high",)),
        ({"heart_rate_bpm": 130}, ()),
        ({"systolic_mmhg": 90, "diastolic_mmhg": 130}, ("systolic_mmhg_low", "diastolic_mmhg_high")),
        ({"respiration_per_min": 25}, ("respiration_per_min_high",)),
        ({"temperature_c": 35.0}, ("temperature_c_low",)),
        ({"temperature_c": 33.0, "temperature_site": "wrist"}, ()),
        ({"temperature_c": 40.5, "temperature_site": "wrist"}, ("temperature_c_high",)),
    ],
)
def test_default_limits(measured: dict[str, float], codes: tuple[str, ...]) -> None:
    assert crossed(reading(**measured)) == codes


EDGES = sorted({edge for limits in DEFAULTS.values() for edge in (limits.low, limits.high) if edge is not None})
VALUES = st.none() | st.sampled_from(EDGES) | st.floats(0, 400)


@given(st.fixed_dictionaries(dict.fromkeys(DEFAULTS, VALUES)), st.sampled_from([None, "ear", "wrist"]))
def test_the_quick_look_at_the_default_limits_misses_nothing(measured: dict[str, Any], site: str | None) -> None:
    one = Vitals(TerminalId("t1"), AT, temperature_site=site, **measured)
    assert crossed(one) == crossed(one, dict(DEFAULTS))


@pytest.mark.parametrize("measured", [{"heart_rate_bpm": 0}, {"spo2_percent": 0}, {"temperature_c": 0}])
def test_a_loose_sensor_is_not_a_dying_person(measured: dict[str, float]) -> None:
    assert crossed(reading(**measured)) == ()


def test_an_elders_own_limit_replaces_only_what_it_names() -> None:
    own = with_own('{"spo2_percent": {"low": 84}, "heart_rate_bpm": {"high": null}}')
    assert crossed(reading(spo2_percent=88), own) == ()
    assert crossed(reading(spo2_percent=84), own) == ("spo2_percent_low",)
    assert crossed(reading(heart_rate_bpm=180), own) == ()
    assert crossed(reading(heart_rate_bpm=35), own) == ("heart_rate_bpm_low",)
    assert crossed(reading(systolic_mmhg=85), own) == ("systolic_mmhg_low",)


@pytest.mark.parametrize(
    "own", ["[]", '{"spo2": {"low": 1}}', '{"spo2_percent": {"min": 1}}', "{", '{"spo2_percent": 8}']
)
def test_limits_that_make_no_sense_are_refused(own: str) -> None:
    with pytest.raises(BadInput, match="bad_thresholds"):
        with_own(own)


def test_the_same_reading_told_twice_is_one_alarm_and_another_is_another() -> None:
    first = reading(spo2_percent=85, happened_at=AT.isoformat())
    later = msgspec.structs.replace(first, received_at=AT + timedelta(minutes=3))
    other = msgspec.structs.replace(first, spo2_percent=84)
    alarms = [as_alarm(each, crossed(each)) for each in (first, later, other)]
    assert alarms[0].alarm_id == alarms[1].alarm_id
    assert alarms[0].digest == alarms[1].digest
    assert alarms[0].alarm_id != alarms[2].alarm_id
    assert (alarms[0].key, alarms[0].origin, alarms[0].terminal_id) == (Key.VITALS, Origin.VITALS, TerminalId("t1"))
    assert alarms[0].flaws == ("spo2_percent_low",)
