"""NEWS2 while readings come in: what adds up calls when it lasts, and what is ordinary costs nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest

from dispatch.health import news2
from dispatch.health.judging import Judging, Particular
from dispatch.health.news2 import Scale, is_ordinary
from dispatch.health.scores import Scores
from dispatch.health.thresholds import with_own
from dispatch.model import Alarm, Cause, ElderId, Key, TerminalId, Vitals

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
FIVE = {"heart_rate_bpm": 112.0, "spo2_percent": 93.0, "systolic_mmhg": 105.0}
SEVEN = FIVE | {"respiration_per_min": 22.0}


def told(minute: float, terminal: str = "t1", /, **values: Any) -> Vitals:
    at = AT + timedelta(minutes=minute)
    return Vitals(TerminalId(terminal), at, at, **values)


def judged(judging: Judging, *readings: Vitals, particular: Particular | None = None) -> list[Alarm]:
    return judging.judge_all(
        readings, {} if particular is None else {each.terminal_id: particular for each in readings}
    )


def test_a_sum_of_five_that_lasts_calls_once_with_what_makes_it() -> None:
    [alarm] = judged(Judging(), *(told(minute, **FIVE) for minute in range(30)))
    assert (alarm.key, alarm.flaws) == (Key.VITALS_URGENT, ("news2_urgent",))
    assert alarm.causes == (Cause("news2_urgent", AT, AT + timedelta(minutes=1), FIVE, 5),)


def test_one_bad_sample_does_not_call() -> None:
    calm = {"heart_rate_bpm": 75.0, "spo2_percent": 97.0, "systolic_mmhg": 130.0}
    assert judged(Judging(), told(0, **SEVEN), told(1, **calm), told(2, **calm)) == []


def test_a_sum_of_seven_is_an_emergencys() -> None:
    [alarm] = judged(Judging(), told(0, **SEVEN), told(1, **SEVEN))
    assert (alarm.key, alarm.flaws) == (Key.VITALS, ("news2_urgent", "news2_emergency"))


def test_a_sum_that_grows_calls_again_as_the_graver_one() -> None:
    alarms = judged(Judging(), *(told(m, **(FIVE if m < 5 else SEVEN)) for m in range(10)))
    assert [each.flaws for each in alarms] == [("news2_urgent",), ("news2_emergency",)]


def test_a_limit_and_a_score_by_one_reading_are_one_alarm() -> None:
    values = {"heart_rate_bpm": 135.0, "spo2_percent": 93.0}
    [alarm] = judged(Judging(), told(0, **values), told(1, **values))
    assert (alarm.key, alarm.flaws) == (Key.VITALS, ("heart_rate_bpm_high", "news2_urgent"))
    assert [each.code for each in alarm.causes] == ["heart_rate_bpm_high", "news2_urgent"]


def test_a_single_red_parameter_is_the_limits_business() -> None:
    """Whoever set other limits for an elder is not overruled by the score of that one parameter."""
    own = Particular(limits=with_own('{"spo2_percent": {"low": 84}}'))
    assert judged(Judging(), *(told(m, spo2_percent=88.0) for m in range(9)), particular=own) == []


def test_parameters_of_one_hour_add_up_and_older_ones_do_not() -> None:
    apart = [told(0, heart_rate_bpm=112.0, spo2_percent=93.0), told(50, systolic_mmhg=105.0)]
    assert [each.flaws for each in judged(Judging(), *apart, told(52, systolic_mmhg=104.0))] == [("news2_urgent",)]
    late = [told(0, heart_rate_bpm=112.0, spo2_percent=93.0), told(61, systolic_mmhg=105.0)]
    assert judged(Judging(), *late, told(63, systolic_mmhg=104.0)) == []


def test_two_terminals_of_one_elder_score_together_and_of_two_do_not() -> None:
    clip = [told(m, heart_rate_bpm=112.0, spo2_percent=93.0) for m in range(3)]
    cuff = [told(m + 0.5, "t2", systolic_mmhg=95.0) for m in range(3)]
    readings = sorted([*clip, *cuff], key=lambda each: each.received_at)
    assert judged(Judging(), *readings) == []
    one = Particular(elder_id=ElderId("e1"))
    assert [each.flaws for each in judged(Judging(), *readings, particular=one)] == [("news2_urgent",)]


def test_the_second_scale_and_oxygen_are_the_elders() -> None:
    values = {"spo2_percent": 89.0, "heart_rate_bpm": 112.0}
    own = with_own('{"spo2_percent": {"low": 80}}')
    readings = [told(m, **values) for m in range(3)]
    assert judged(Judging(), *readings, particular=Particular(limits=own))
    assert judged(Judging(), *readings, particular=Particular(limits=own, scale=Scale.TWO)) == []
    on_oxygen = Particular(limits=own, scale=Scale.TWO, on_oxygen=True)
    readings = [told(m, spo2_percent=95.0, heart_rate_bpm=95.0) for m in range(3)]
    assert judged(Judging(), *readings, particular=on_oxygen)


def test_told_again_is_the_same_alarm() -> None:
    judging = Judging()
    first, second = told(0, **FIVE), told(1, **FIVE)
    [alarm] = judged(judging, first, second)
    [again] = judged(judging, second)
    assert (again.alarm_id, again.digest) == (alarm.alarm_id, alarm.digest)


def test_who_scores_little_is_not_held_and_who_calmed_down_is_let_go() -> None:
    scores = Scores()
    scores.judge("a", told(0, spo2_percent=95.0), Scale.ONE, None)
    assert len(scores) == 0
    scores.judge("a", told(1, spo2_percent=93.0), Scale.ONE, None)
    assert scores.held() == {"a"}
    scores.judge("a", told(2, spo2_percent=95.0), Scale.ONE, None)
    assert len(scores) == 0
    scores.judge("a", told(3, spo2_percent=93.0), Scale.ONE, None)
    scores.forget(AT + timedelta(minutes=64))
    assert len(scores) == 0


@pytest.mark.parametrize("name", ["heart_rate_bpm", "spo2_percent", "systolic_mmhg", "respiration_per_min"])
def test_ordinary_is_what_the_table_scores_nothing_or_one_for_saturation(name: str) -> None:
    most = 1 if name == "spo2_percent" else 0
    for step in range(3000):
        reading = told(0, **{name: step / 10})
        points = news2.points(reading, Scale.ONE, None)
        if points:
            assert is_ordinary(reading) == (points[name] <= most), step / 10


def test_ordinary_warmth_is_what_the_table_scores_nothing() -> None:
    for step in range(2000, 4500):
        body, wrist = (told(0, temperature_c=step / 100, temperature_site=site) for site in ("ear", "wrist"))
        assert is_ordinary(body) == (news2.points(body, Scale.ONE, None)["temperature_c"] == 0), step
        assert is_ordinary(wrist) == (not news2.points(wrist, Scale.ONE, None).get("temperature_c")), step


def test_the_quick_look_leaves_out_nothing_that_would_ring_or_be_held() -> None:
    values: dict[str, tuple[float | None, ...]] = {
        "heart_rate_bpm": (None, 39.0, 50.0, 70.0, 91.0, 140.0),
        "spo2_percent": (None, 90.0, 93.0, 94.0, 95.0, 97.0),
        "systolic_mmhg": (None, 100.0, 120.0, 221.0),
        "diastolic_mmhg": (None, 80.0, 129.9, 130.0),
        "temperature_c": (None, 36.0, 37.0, 38.5),
    }
    passed_over = 0
    for measured in product(*values.values()):
        readings = [told(minute, **dict(zip(values, measured, strict=True))) for minute in (0, 2)]
        quick, closely = Judging(), Judging()
        rang = [alarm for each in readings if (alarm := closely.judge(each)) is not None]
        assert quick.judge_all(readings, {}) == rang, readings
        assert quick.held() == closely.held(), readings
        passed_over += not rang
    assert passed_over > 1


def test_somebody_of_whom_something_is_held_is_looked_at_however_ordinary_the_reading() -> None:
    judging = Judging()
    judging.judge_all([told(0, **SEVEN)], {})
    judging.judge_all([told(1, heart_rate_bpm=70.0, spo2_percent=97.0, systolic_mmhg=120.0)], {})
    assert len(judging.held()) == 1  # for its breaths
    judging.judge_all([told(2, respiration_per_min=16.0)], {})
    assert not judging.held()
