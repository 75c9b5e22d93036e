"""NEWS2: each edge of the table from both sides, what is missing, and that it only ever raises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.health.news2 import MOST, Consciousness, Scale, Score, score, together
from dispatch.model import Band, Vitals

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
WELL = {
    "respiration_per_min": 16,
    "spo2_percent": 97,
    "systolic_mmhg": 125,
    "heart_rate_bpm": 70,
    "temperature_c": 36.8,
}


def reading(**measured: float | str) -> Vitals:
    return msgspec.convert({"terminal_id": "t1", "received_at": AT, **measured}, Vitals)


def minutes_ago(minutes: float, **measured: float | str) -> Vitals:
    return reading(happened_at=(AT - timedelta(minutes=minutes)).isoformat(), **measured)


@pytest.mark.parametrize(
    ("name", "value", "points"),
    [
        *[("respiration_per_min", *pair) for pair in [(8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2)]],
        ("respiration_per_min", 25, 3),
        *[("systolic_mmhg", *pair) for pair in [(90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0)]],
        ("systolic_mmhg", 220, 3),
        *[("heart_rate_bpm", *pair) for pair in [(40, 3), (41, 1), (50, 1), (51, 0), (90, 0), (91, 1), (110, 1)]],
        *[("heart_rate_bpm", *pair) for pair in [(111, 2), (130, 2), (131, 3)]],
        *[("temperature_c", *pair) for pair in [(35.0, 3), (35.1, 1), (36.0, 1), (36.1, 0), (38.0, 0), (38.1, 1)]],
        *[("temperature_c", *pair) for pair in [(39.0, 1), (39.1, 2)]],
        *[("spo2_percent", *pair) for pair in [(91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0), (100, 0)]],
        # the table has whole numbers and tenths; a device may say more, and a stored `real` nearly says them
        *[("spo2_percent", *pair) for pair in [(91.49, 3), (91.5, 2), (95.5, 0)]],
        *[
            ("temperature_c", *pair)
            for pair in [(35.04, 3), (35.05, 1), (35.099998474121094, 1), (38.04, 0), (38.05, 1)]
        ],
        *[("heart_rate_bpm", *pair) for pair in [(130.4, 2), (130.5, 3)]],
    ],
)
def test_each_edge_of_the_table(name: str, value: float, points: int) -> None:
    scored = score(reading(**{name: value}))
    assert scored.by_parameter == {name: points}
    assert scored.total == points
    assert scored.red == ((name,) if points == 3 else ())


@pytest.mark.parametrize(
    ("value", "on_air", "on_oxygen"),
    [
        *[(83, 3, 3), (84, 2, 2), (85, 2, 2), (86, 1, 1), (87, 1, 1), (88, 0, 0), (92, 0, 0), (93, 0, 1), (94, 0, 1)],
        *[(95, 0, 2), (96, 0, 2), (97, 0, 3), (100, 0, 3)],
    ],
)
def test_each_edge_of_the_second_scale(value: float, on_air: int, on_oxygen: int) -> None:
    told = reading(spo2_percent=value)
    assert score(told, scale=Scale.TWO, on_oxygen=False).by_parameter["spo2_percent"] == on_air
    assert score(told, scale=Scale.TWO, on_oxygen=True).by_parameter["spo2_percent"] == on_oxygen


def test_on_the_second_scale_unknown_oxygen_counts_least_and_says_how_much_it_may_be() -> None:
    unknown = score(reading(spo2_percent=97), scale=Scale.TWO)
    worst = score(reading(spo2_percent=97), scale=Scale.TWO, on_oxygen=True)
    assert unknown.by_parameter == {"spo2_percent": 0}
    assert "air_or_oxygen" in unknown.missing
    assert unknown.most == worst.most == worst.total + 15


@pytest.mark.parametrize("awake", list(Consciousness))
def test_only_alert_scores_nothing(awake: Consciousness) -> None:
    scored = score(reading(), consciousness=awake)
    assert scored.by_parameter == {"consciousness": 0 if awake is Consciousness.ALERT else 3}
    assert scored.band == (None if awake is Consciousness.ALERT else Band.URGENT)


def test_oxygen_scores_two() -> None:
    assert score(reading(), on_oxygen=True).by_parameter == {"air_or_oxygen": 2}
    assert score(reading(), on_oxygen=False).by_parameter == {"air_or_oxygen": 0}


def test_nothing_measured_is_everything_missing() -> None:
    assert score(reading()) == Score(0, 20, {}, tuple(MOST), (), None)


def test_everything_known_is_complete() -> None:
    scored = score(reading(**WELL), on_oxygen=False, consciousness=Consciousness.ALERT)
    assert (scored.total, scored.most, scored.missing, scored.is_complete) == (0, 0, (), True)
    assert tuple(scored.by_parameter) == tuple(MOST)


def test_a_watch_says_what_it_cannot_know() -> None:
    scored = score(reading(heart_rate_bpm=112, spo2_percent=93))
    assert scored.missing == (
        "respiration_per_min",
        "air_or_oxygen",
        "systolic_mmhg",
        "consciousness",
        "temperature_c",
    )
    assert (scored.total, scored.most, scored.is_complete) == (4, 18, False)


@pytest.mark.parametrize("measured", [{"heart_rate_bpm": 0}, {"spo2_percent": 0}, {"spo2_percent": 101}])
def test_a_loose_sensor_measured_nothing(measured: dict[str, float]) -> None:
    assert score(reading(**measured)) == score(reading())


@pytest.mark.parametrize(
    ("value", "by_parameter"),
    [(33.0, {}), (36.6, {}), (38.0, {}), (38.1, {"temperature_c": 1}), (40, {"temperature_c": 2})],
)
def test_of_the_skin_only_a_fever_counts(value: float, by_parameter: dict[str, int]) -> None:
    assert score(reading(temperature_c=value, temperature_site="wrist")).by_parameter == by_parameter
    assert "temperature_c" in score(reading(temperature_c=value, temperature_site="ear")).by_parameter


@pytest.mark.parametrize(
    ("measured", "total", "band"),
    [
        ({"heart_rate_bpm": 112, "spo2_percent": 92}, 4, None),
        ({"heart_rate_bpm": 131}, 3, Band.URGENT),
        ({"heart_rate_bpm": 112, "spo2_percent": 92, "temperature_c": 38.1}, 5, Band.URGENT),
        ({"heart_rate_bpm": 112, "spo2_percent": 92, "temperature_c": 39.1}, 6, Band.URGENT),
        ({"heart_rate_bpm": 112, "spo2_percent": 92, "temperature_c": 38.1, "respiration_per_min": 21}, 7, Band.LIFE),
    ],
)
def test_the_band_that_a_score_asks_for(measured: dict[str, float], total: int, band: Band | None) -> None:
    scored = score(reading(**measured))
    assert (scored.total, scored.band) == (total, band)


vitals = st.fixed_dictionaries(
    {},
    optional={
        "respiration_per_min": st.integers(0, 60),
        "spo2_percent": st.integers(20, 105),
        "systolic_mmhg": st.integers(30, 310),
        "heart_rate_bpm": st.integers(10, 310),
        "temperature_c": st.integers(190, 460).map(lambda tenths: tenths / 10),
    },
)


@given(vitals, st.sampled_from(Scale), st.none() | st.booleans(), st.sampled_from([None, *Consciousness]))
def test_present_and_missing_are_the_seven_and_more_knowledge_stays_within_what_was_said(
    measured: dict[str, float], scale: Scale, on_oxygen: bool | None, awake: Consciousness | None
) -> None:
    partial = score(reading(**measured), scale=scale)
    fuller = score(reading(**measured), scale=scale, on_oxygen=on_oxygen, consciousness=awake)
    for scored in (partial, fuller):
        assert {*scored.by_parameter, *scored.missing} == set(MOST)
        assert len(scored.by_parameter) + len(scored.missing) == 7
        assert scored.total == sum(scored.by_parameter.values()) <= scored.most <= 20
    assert partial.total <= fuller.total <= fuller.most <= partial.most


def test_a_score_over_several_devices_takes_the_newest_of_each() -> None:
    told = [
        minutes_ago(1, heart_rate_bpm=70),
        minutes_ago(50, systolic_mmhg=100, heart_rate_bpm=140),
        minutes_ago(30, temperature_c=33.5, temperature_site="wrist"),
        minutes_ago(20, temperature_c=37.0),
        minutes_ago(5, heart_rate_bpm=0),
        minutes_ago(61, spo2_percent=80),
    ]
    merged = together([*told, *told], AT)
    assert merged == together(reversed(told), AT)
    assert merged is not None
    assert (merged.heart_rate_bpm, merged.systolic_mmhg, merged.spo2_percent) == (70, 100, None)
    assert (merged.temperature_c, merged.temperature_site) == (37.0, None)


def test_what_is_old_is_not_put_together() -> None:
    assert together([], AT) is None
    assert together([minutes_ago(60, heart_rate_bpm=70)], AT) is not None
    assert together([minutes_ago(60.1, heart_rate_bpm=70)], AT) is None


def test_a_device_that_lives_in_the_future_is_as_old_as_its_receipt() -> None:
    ahead = minutes_ago(-600, heart_rate_bpm=150)
    merged = together(
        [msgspec.structs.replace(ahead, received_at=AT - timedelta(minutes=9)), minutes_ago(1, heart_rate_bpm=70)], AT
    )
    assert merged is not None
    assert merged.heart_rate_bpm == 70
