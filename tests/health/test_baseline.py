"""An elder's own ordinary: robust against odd days, silent where little is known."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.health.baseline import MATTERS_FROM, Baseline, Day, baseline, by_day, trend
from dispatch.health.thresholds import DEFAULTS
from dispatch.model import Vitals

TODAY = date(2026, 3, 31)
SHANGHAI = ZoneInfo("Asia/Shanghai")
PULSE = "heart_rate_bpm"


def days(present: list[float], past: list[float]) -> list[Day]:
    """`present` ends today, `past` ends three days before, one value a day."""
    told = [Day(TODAY - timedelta(days=ago), value, 1) for ago, value in enumerate(reversed(present))]
    return told + [Day(TODAY - timedelta(days=3 + ago), value, 1) for ago, value in enumerate(reversed(past))]


def reading(at: datetime, **measured: float | str) -> Vitals:
    return msgspec.convert({"terminal_id": "t1", "received_at": at, "happened_at": at, **measured}, Vitals)


def test_there_is_a_least_change_for_every_parameter_that_has_limits() -> None:
    assert set(MATTERS_FROM) == set(DEFAULTS)


def test_the_baseline_is_median_and_scaled_mad() -> None:
    past: list[float] = [60, 62, 64, 66, 68, 70, 72, 74, 76, 78, 80]
    assert baseline(days([], past), TODAY) == Baseline(70, 1.4826 * 6, 11)


@pytest.mark.parametrize(
    ("present", "change", "code"),
    [
        ([81, 81, 81], 11, None),
        ([100, 100, 100], 30, None),
        ([102, 102, 102], 32, "heart_rate_bpm_rising"),
        ([38, 38, 38], -32, "heart_rate_bpm_falling"),
        ([70, 70, 140], 0, None),  # one odd day is no trend
        ([102, 102], 32, "heart_rate_bpm_rising"),
    ],
)
def test_a_change_beyond_the_ordinary_spread_is_unusual(present: list[float], change: float, code: str | None) -> None:
    past: list[float] = [60, 62, 64, 66, 68, 70, 72, 74, 76, 78, 80]
    judged = trend(days(present, past), PULSE, TODAY)
    assert judged is not None
    assert (judged.change, judged.code) == (change, code)
    assert judged.score == pytest.approx(change / (1.4826 * 6))
    assert [each.value for each in judged.present] == present


@pytest.mark.parametrize(
    ("present", "code"), [(62, None), (71.9, None), (72, "heart_rate_bpm_rising"), (52, "heart_rate_bpm_falling")]
)
def test_who_is_the_same_every_day_may_still_differ_a_little(present: float, code: str | None) -> None:
    judged = trend(days([present] * 3, [62.0] * 28), PULSE, TODAY)
    assert judged is not None
    assert (judged.code, judged.score) == (code, None)


def test_too_little_known_says_nothing() -> None:
    assert trend([], PULSE, TODAY) is None
    assert trend(days([90], [62.0] * 28), PULSE, TODAY) is None
    assert trend(days([90, 90], [62.0] * 9), PULSE, TODAY) is None
    assert trend(days([90, 90], [62.0] * 10), PULSE, TODAY) is not None


def test_the_window_ends_before_the_present_and_begins_four_weeks_earlier() -> None:
    inside = days([], [62.0] * 28)
    assert baseline([*inside, Day(TODAY - timedelta(days=31), 200, 1), *days([200, 200, 200], [])], TODAY) == Baseline(
        62, 0, 28
    )
    assert trend([*days([90, 90], [62.0] * 28), Day(TODAY + timedelta(days=1), 62, 1)], PULSE, TODAY) == trend(
        days([90, 90], [62.0] * 28), PULSE, TODAY
    )


def test_a_slow_drift_is_not_its_own_ordinary() -> None:
    judged = trend(days([78, 79, 80], [62.0] * 20 + [64, 66, 68, 70, 72, 74, 76, 77]), PULSE, TODAY)
    assert judged is not None
    assert judged.code == "heart_rate_bpm_rising"


@given(st.integers(0, 13), st.floats(0, 1000), st.randoms(use_true_random=False))
def test_less_than_half_odd_days_cannot_move_the_baseline_out_of_the_ordinary(
    odd: int, wild: float, chances: random.Random
) -> None:
    past = [wild] * odd + [float(60 + n % 5) for n in range(28 - odd)]
    chances.shuffle(past)
    found = baseline(days([], past), TODAY)
    assert found is not None
    assert 60 <= found.value <= 64
    assert found.spread <= 1.4826 * 4


def test_a_day_is_the_median_of_what_happened_on_it_where_the_elder_lives() -> None:
    late = datetime(2026, 3, 1, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    told = [
        reading(late, heart_rate_bpm=60),
        reading(late - timedelta(hours=1), heart_rate_bpm=70),
        reading(late - timedelta(hours=2), heart_rate_bpm=200),
        reading(late + timedelta(minutes=1), heart_rate_bpm=80),
        reading(late + timedelta(minutes=2), heart_rate_bpm=0),
        reading(late + timedelta(minutes=3), spo2_percent=97),
    ]
    assert by_day(told, PULSE, SHANGHAI) == [Day(date(2026, 3, 1), 70, 3), Day(date(2026, 3, 2), 80, 1)]


@given(st.lists(st.tuples(st.integers(0, 10_000), st.integers(50, 90)), max_size=30), st.randoms(use_true_random=False))
def test_order_and_doubles_and_late_receipt_do_not_matter(told: list[tuple[int, int]], chances: random.Random) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    readings = [reading(at + timedelta(minutes=minute), heart_rate_bpm=rate) for minute, rate in told]
    late = [msgspec.structs.replace(each, received_at=each.received_at + timedelta(days=1)) for each in readings]
    mixed = [*readings, *late]
    chances.shuffle(mixed)
    assert by_day(mixed, PULSE, SHANGHAI) == by_day(readings, PULSE, SHANGHAI)


def test_the_skin_has_no_trend() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    told = [reading(at, temperature_c=33.0, temperature_site="wrist"), reading(at, temperature_c=36.6)]
    assert [each.value for each in by_day(told, "temperature_c", UTC)] == [36.6]
