"""NEWS2 while readings come in: what adds up calls when it lasts, and what is ordinary costs nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.health import news2
from dispatch.health.judging import Judging, Particular
from dispatch.health.news2 import Scale, is_ordinary
from dispatch.health.scores import CODES, MOMENT, RULE, Scores
from dispatch.health.sustained import Grade, Phase, Watch, step_one
from dispatch.health.thresholds import with_own
from dispatch.model import Alarm, Cause, ElderId, Key, TerminalId, Vitals

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
FIVE = {"heart_rate_bpm": 112.0, "spo2_percent": 93.0, "systolic_mmhg": 105.0}
FIVE_BUT_TWO = {"heart_rate_bpm": 112.0, "spo2_percent": 95.0}
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
    assert judged(Judging(), told(0, **FIVE), told(1, **calm), told(2, **calm)) == []


def test_a_sum_of_seven_is_an_emergencys() -> None:
    two = {"heart_rate_bpm": 135.0, "spo2_percent": 93.0}
    on_oxygen = Particular(limits={}, on_oxygen=True)
    [alarm] = judged(Judging(), told(0, **two), told(1, **two), particular=on_oxygen)
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


def test_three_parameters_of_one_moment_that_score_an_emergency_ring_at_once() -> None:
    """Who measures once a day would wait for tomorrow."""
    [alarm] = judged(Judging(), told(0, **SEVEN), told(1, **SEVEN))
    assert (alarm.key, alarm.flaws) == (Key.VITALS, ("news2_urgent", "news2_emergency"))
    assert alarm.causes[1] == Cause("news2_emergency", AT, AT, SEVEN, 7)
    apart = [told(6 * n, **{name: value}) for n, (name, value) in enumerate(SEVEN.items())]
    assert [each.flaws for each in judged(Judging(), *apart)] == [("news2_urgent",)]
    two = {"heart_rate_bpm": 135.0, "spo2_percent": 90.0}
    assert judged(Judging(), told(0, **two), particular=Particular(on_oxygen=True)) == []


def test_who_scores_nothing_is_not_held_and_who_calmed_down_is_let_go() -> None:
    scores = Scores()
    scores.judge("t1", told(0, heart_rate_bpm=70.0), Scale.ONE, None)
    assert len(scores) == 0
    scores.judge("t1", told(1, spo2_percent=93.0), Scale.ONE, None)
    assert (list(scores.held()), list(scores.mild())) == (["t1"], [])
    scores.judge("t1", told(2, spo2_percent=95.0), Scale.ONE, None)
    assert (list(scores.held()), list(scores.mild())) == ([], ["t1"])
    scores.note_mild(told(3, spo2_percent=96.0))
    assert scores.mild() == {}
    scores.judge("t1", told(4, spo2_percent=93.0), Scale.ONE, None)
    scores.note_mild(told(5, "t2", spo2_percent=95.0))
    scores.forget(AT + timedelta(minutes=64), ["t1"])
    assert (len(scores), list(scores.mild())) == (0, ["t2"])
    scores.forget(AT + timedelta(minutes=65), [])
    assert scores.mild() == {}


def test_what_was_held_of_a_terminal_goes_over_to_its_elder() -> None:
    judging = Judging()
    assert judged(judging, told(0, heart_rate_bpm=112.0), told(0, "t2", spo2_percent=95.0), told(0, "t2")) == []
    one = Particular(elder_id=ElderId("e1"))
    later = [told(1, respiration_per_min=22.0), told(2, "t2", systolic_mmhg=130.0), told(3, respiration_per_min=22.0)]
    assert [each.flaws for each in judged(judging, *later, particular=one)] == [("news2_urgent",)]
    assert judging.held() == {"e1"}


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


def asked(judging: Judging, minute: float) -> list[Alarm]:
    return [alarm for alarms in judging.go_round(AT + timedelta(minutes=minute)) for alarm in alarms]


def test_what_is_not_measured_again_within_ten_minutes_is_called_about_once() -> None:
    judging = Judging()
    assert judged(judging, told(0, spo2_percent=85.0)) == []
    assert asked(judging, 10) == []
    [alarm] = asked(judging, 11)
    assert (alarm.key, alarm.flaws) == (Key.MEASURE_AGAIN, ("spo2_percent_low", "not_measured_again"))
    assert (alarm.terminal_id, alarm.happened_at, alarm.received_at) == ("t1", AT, AT + timedelta(minutes=11))
    assert alarm.causes == (Cause("spo2_percent_low", AT, AT, {"spo2_percent": 85.0}),)
    assert asked(judging, 12) == []
    [tomorrow] = judged(judging, told(24 * 60, spo2_percent=85.0))
    assert tomorrow.key is Key.VITALS


def test_a_call_to_measure_again_that_was_not_taken_is_given_again() -> None:
    judging = Judging()
    judged(judging, told(0, **FIVE))
    [first] = next(judging.go_round(AT + timedelta(minutes=11)))
    [again] = asked(judging, 12)
    assert first.flaws == ("news2_urgent", "not_measured_again")
    assert (again.alarm_id, again.digest) == (first.alarm_id, first.digest)
    assert first.causes == (Cause("news2_urgent", AT, AT, FIVE),)
    assert asked(judging, 13) == []


@pytest.mark.parametrize("value", [85.0, 95.0])
def test_what_was_confirmed_or_cleared_needs_no_second_measurement(value: float) -> None:
    judging = Judging()
    judged(judging, told(0, spo2_percent=85.0), told(2, spo2_percent=value))
    assert asked(judging, 60) == []


# --- Against a slow and plain model: everything is remembered, and looked at anew with each reading -------------------

STEPS: dict[str, tuple[float, ...]] = {
    "heart_rate_bpm": (39.0, 50.0, 70.0, 95.0, 112.0, 140.0),
    "spo2_percent": (90.0, 93.0, 94.0, 95.0, 97.0),
    "systolic_mmhg": (100.0, 105.0, 130.0, 221.0),
    "temperature_c": (35.5, 37.0, 38.5, 39.5),
    "respiration_per_min": (9.0, 16.0, 22.0, 27.0),
}
single = st.sampled_from([(name, value) for name, values in STEPS.items() for value in values])
seldom = st.sampled_from([0.1, 0.5, 1.0, 2.0, 6.0, 10.0, 29.0])


def plainly(readings: list[Vitals], particular: Particular) -> list[tuple[datetime, tuple[str, ...]]]:
    """When which sums ring."""
    watches: dict[str, Watch | None] = {}
    rang = []
    for n, reading in enumerate(readings, 1):
        codes = []
        for code, least in CODES.items():
            grade = graded(readings[:n], least, particular)
            watch = watches.get(code)
            if grade is Grade.EXTREME and watch is not None and watch.phase is Phase.RINGING:
                grade = Grade.CROSSING
            if watch is not None or grade >= Grade.CROSSING:
                watches[code], ring = step_one(code, watch, reading, grade, RULE)
                codes += [code] if ring else []
        rang += [(reading.received_at, tuple(codes))] if codes else []
    return rang


def graded(readings: list[Vitals], least: int, particular: Particular) -> Grade:
    now = readings[-1].received_at
    merged = news2.together(readings, now)
    moment = news2.together(readings, now, MOMENT.total_seconds())
    assert merged is not None
    assert moment is not None
    total = news2.score(merged, scale=particular.scale, on_oxygen=particular.on_oxygen).total
    if total < least:
        return Grade.NEAR if total == least - 1 else Grade.CLEAR
    of_moment = news2.score(moment, scale=particular.scale, on_oxygen=particular.on_oxygen)
    agreeing = [name for name, points in of_moment.by_parameter.items() if points and name != news2.OXYGEN]
    return Grade.EXTREME if len(agreeing) >= 3 and of_moment.total >= 7 else Grade.CROSSING


def compare(told_apart: list[tuple[float, tuple[str, float]]], particular: Particular) -> None:
    minute, readings = 0.0, []
    for gap, (name, value) in told_apart:
        minute += gap
        readings.append(told(minute, **{name: value}))
    alarms = judged(Judging(), *readings, particular=None if particular == UNKNOWN else particular)
    rang = [(each.received_at, tuple(code for code in each.flaws if code in CODES)) for each in alarms]
    assert [each for each in rang if each[1]] == plainly(readings, particular)


UNKNOWN = Particular()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(seldom, single), max_size=40), st.sampled_from([None, True, False]), st.sampled_from(Scale))
def test_what_adds_up_for_a_minute_calls_and_nothing_else(
    told_apart: list[tuple[float, tuple[str, float]]], on_oxygen: bool | None, scale: Scale
) -> None:
    compare(told_apart, Particular(scale=scale, on_oxygen=on_oxygen))


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"temperature_c": 38.6, "systolic_mmhg": 105.0, "spo2_percent": 94.0}, {"heart_rate_bpm": 112.0}),
        ({"temperature_c": 38.6, "systolic_mmhg": 108.0, "spo2_percent": 95.0, "heart_rate_bpm": 95.0},
         {"respiration_per_min": 9.0}),
    ],
)  # fmt: skip
def test_single_points_that_came_earlier_count(first: dict[str, float], then: dict[str, float]) -> None:
    apart = [told(n, **{name: value}) for n, (name, value) in enumerate(first.items())]
    readings = [*apart, *(told(10 + n, **then) for n in range(3))]
    assert [each.flaws for each in judged(Judging(), *readings)] == [("news2_urgent",)]


def test_the_points_for_oxygen_count() -> None:
    clip = [told(n, spo2_percent=95.0) for n in range(30)]
    cuff = [told(n + 0.1, systolic_mmhg=105.0) for n in range(0, 30, 10)]
    warmth = [told(n + 0.2, temperature_c=38.5) for n in range(0, 30, 10)]
    readings = sorted([*clip, *cuff, *warmth], key=lambda each: each.received_at)
    alarms = judged(Judging(), *readings, particular=Particular(on_oxygen=True))
    assert [each.flaws for each in alarms] == [("news2_urgent",)]


def test_a_wrist_without_fever_leaves_the_ears_fever_in_force_but_ends_its_own() -> None:
    for site, rings in (("ear", True), ("wrist", False)):
        fever = told(0, temperature_c=39.5, temperature_site=site)
        later = [told(1 + n, temperature_c=33.0, temperature_site="wrist", **FIVE_BUT_TWO) for n in range(3)]
        assert bool(judged(Judging(), fever, *later)) == rings
        merged = news2.together([fever, *later], later[-1].received_at)
        assert merged is not None
        assert (news2.score(merged).total >= 5) == rings


def test_somebody_of_whom_something_is_held_is_looked_at_however_ordinary_the_reading() -> None:
    judging = Judging()
    judging.judge_all([told(0, heart_rate_bpm=112.0, respiration_per_min=22.0)], {})
    judging.judge_all([told(1, heart_rate_bpm=70.0, spo2_percent=97.0, systolic_mmhg=120.0)], {})
    assert len(judging.held()) == 1  # for its breaths
    judging.judge_all([told(2, respiration_per_min=16.0)], {})
    assert not judging.held()
