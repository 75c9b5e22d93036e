"""When a limit rings: not by one bad sample, not forty times by a wandering one, at once by an extreme one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.health.sustained import EXTREMES, QUIET, REMEMBERED, RULES, Phase, Ring, State, step
from dispatch.health.thresholds import DEFAULTS, crossed, with_own
from dispatch.model import Vitals

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)
LOW = "spo2_percent_low"
HOUR = 3600.0


def reading(at_s: float, received_s: float | None = None, **measured: float | str) -> Vitals:
    """A reading of so many seconds after the start by the device's clock, received then or so many after it by ours."""
    happened_at = AT + timedelta(seconds=at_s)
    received_at = AT + timedelta(seconds=at_s if received_s is None else received_s)
    return msgspec.convert(
        {"terminal_id": "t1", "received_at": received_at, "happened_at": happened_at, **measured}, Vitals
    )


def spo2(*told: tuple[float, float]) -> list[Vitals]:
    return [reading(at_s, spo2_percent=value) for at_s, value in told]


def fold(readings: Iterable[Vitals], state: State = QUIET) -> tuple[State, list[tuple[float, str]]]:
    """The state in the end, and what rang: second and code."""
    rang = []
    for each in readings:
        state, rings = step(state, each)
        rang += [(((each.happened_at or each.received_at) - AT).total_seconds(), ring.code) for ring in rings]
    return state, rang


@pytest.mark.parametrize(
    ("told", "rang"),
    [
        ([(0, 90)], []),
        ([(0, 90), (59, 90)], []),
        ([(0, 90), (60, 90)], [60]),
        ([(0, 91), (60, 91)], [60]),
        ([(0, 92), (60, 92)], []),
        ([(0, 90), (30, 93), (60, 90)], [60]),
        ([(0, 90), (30, 94), (60, 90)], [60]),  # one good sample among bad ones
        ([(0, 90), (30, 94), (40, 94), (60, 90), (100, 90), (120, 90)], [120]),  # more good ones than bad ones
        ([(0, 90), (5, 90), (10, 90), (30, 94), (49, 94), (60, 90)], [60]),
        ([(0, 90), (5, 90), (10, 90), (30, 94), (50, 94), (60, 90)], []),  # all good for 20 s
        ([(0, 90), (30, 94), (150, 90)], [150]),
        ([(0, 90), (30, 94), (151, 90)], []),  # the last word for two minutes was a good one
        ([(0, 90), (86_400, 90)], [86_400]),  # a device that measures once a day
        ([(0, 90), (26 * HOUR, 90)], [26 * HOUR]),
        ([(0, 90), (26 * HOUR + 1, 90)], []),
        ([(0, 90), (30, 0), (60, 90)], [60]),  # a finger taken out says nothing
    ],
)
def test_a_limit_rings_when_it_stays_crossed(told: list[tuple[float, float]], rang: list[float]) -> None:
    assert fold(spo2(*told))[1] == [(at_s, LOW) for at_s in rang]


@pytest.mark.parametrize(
    ("told", "rang"),
    [
        ([(0, 90), (60, 90), (120, 90), (3600, 85)], [60]),
        ([(0, 90), (60, 90), (70, 94), (369, 94), (370, 90), (430, 90)], [60]),
        ([(0, 90), (60, 90), (70, 94), (370, 94), (380, 90), (440, 90)], [60, 440]),
        ([(0, 90), (60, 90), (70, 94), (200, 93), (370, 94), (380, 90), (440, 90)], [60]),  # not clear all the time
        ([(0, 90), (60, 90), (60 + 6 * HOUR - 1, 90)], [60]),
        ([(0, 90), (60, 90), (60 + 6 * HOUR, 90)], [60, 60 + 6 * HOUR]),
    ],
)
def test_what_rings_does_not_ring_again_until_it_was_clear_or_lasts_for_hours(
    told: list[tuple[float, float]], rang: list[float]
) -> None:
    assert fold(spo2(*told))[1] == [(at_s, LOW) for at_s in rang]


@pytest.mark.parametrize(
    ("told", "rang"),
    [
        ([(0, 83)], [0]),
        ([(0, 84)], []),
        ([(0, 83), (1, 83), (60, 80), (120, 83)], [0]),
        ([(0, 90), (10, 83)], [10]),
        ([(0, 90), (60, 90), (70, 83), (80, 83)], [60, 70]),  # what rings already and becomes extreme rings once more
        ([(0, 83), (10, 94), (20, 83)], [0]),
        ([(0, 83), (10, 94), (310, 94), (320, 83)], [0, 320]),
    ],
)
def test_an_extreme_reading_rings_at_once_and_once(told: list[tuple[float, float]], rang: list[float]) -> None:
    assert fold(spo2(*told))[1] == [(at_s, LOW) for at_s in rang]


@pytest.mark.parametrize("side", ["low", "high"])
@pytest.mark.parametrize("name", list(EXTREMES))
def test_each_extreme_from_both_sides_of_its_edge(name: str, side: str) -> None:
    limit: float | None = getattr(EXTREMES[name], side)
    if limit is None:
        assert (name, side) in {("spo2_percent", "high"), ("diastolic_mmhg", "low")}
        return
    within = limit + 0.1 if side == "low" else limit - 0.1
    assert fold([reading(0, **{name: limit})])[1] == [(0, f"{name}_{side}")]
    state, rang = fold([reading(0, **{name: within})])
    assert rang == []
    assert [watch.phase for watch in state.values()] == [Phase.SUSPECTED]


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_every_limit_rings_after_its_own_time_and_ends_past_its_own_margin(name: str) -> None:
    rule = RULES[name]
    for side, limit, back in (("low", DEFAULTS[name].low, 1), ("high", DEFAULTS[name].high, -1)):
        if limit is None:
            continue
        near, clear = limit + back * rule.margin, limit + back * (rule.margin + 0.1)
        times = [(0.0, limit), (rule.for_s - 1, near), (rule.for_s, limit)]
        state, rang = fold([reading(at_s, **{name: value}) for at_s, value in times])
        assert rang == [(rule.for_s, f"{name}_{side}")]
        for value, phase in ((near, Phase.RINGING), (clear, Phase.QUIET)):
            later = [reading(rule.for_s + at_s, **{name: value}) for at_s in (1, 1 + rule.clear_for_s)]
            assert [watch.phase for watch in fold(later, state)[0].values()] == [phase]


def test_a_ring_names_the_readings_that_caused_it() -> None:
    state, _ = fold(spo2((0, 90), (30, 92)))
    _, rings = step(state, reading(70, spo2_percent=91))
    assert rings == (Ring(LOW, since_at=AT, is_extreme=False),)


def test_limits_are_watched_each_by_itself() -> None:
    told = [reading(0, spo2_percent=90, heart_rate_bpm=131), reading(60, spo2_percent=95, heart_rate_bpm=135)]
    assert fold(told)[1] == [(60, "heart_rate_bpm_high")]
    both = [reading(at_s, spo2_percent=90, heart_rate_bpm=131) for at_s in (0, 60)]
    assert fold(both)[1] == [(60, "heart_rate_bpm_high"), (60, LOW)]


def test_the_skin_says_nothing_of_a_low_temperature_neither_bad_nor_good() -> None:
    wrist = [reading(at_s, temperature_c=31.0, temperature_site="wrist") for at_s in (0, 300, 600)]
    assert fold(wrist) == (QUIET, [])
    state, rang = fold([reading(at_s, temperature_c=34.9) for at_s in (0, 300)])
    assert rang == [(300, "temperature_c_low")]
    warm = [reading(at_s, temperature_c=36.5, temperature_site="wrist") for at_s in (400, 1400, 2400)]
    assert fold(warm, state) == (state, [])


def test_an_elders_own_limit_comes_before_the_extremes() -> None:
    own = with_own('{"spo2_percent": {"low": 80}}')
    assert step(QUIET, reading(0, spo2_percent=82), own) == (QUIET, ())
    assert [ring.is_extreme for ring in step(QUIET, reading(0, spo2_percent=80), own)[1]] == [True]
    without = with_own('{"spo2_percent": {"low": null}}')
    assert step(QUIET, reading(0, spo2_percent=60), without) == (QUIET, ())


def test_a_late_reading_changes_nothing_but_an_extreme_one_rings() -> None:
    state, _ = fold(spo2((0, 90), (50, 90)))
    assert step(state, reading(20, 51, spo2_percent=97)) == (state, ())
    assert step(state, reading(-100, 51, spo2_percent=90)) == (state, ())
    after, rings = step(state, reading(20, 51, spo2_percent=80))
    assert rings == (Ring(LOW, AT + timedelta(seconds=20), is_extreme=True),)
    assert fold(spo2((60, 90), (70, 80)), after)[1] == []


def test_a_late_extreme_reading_rings_after_a_matter_that_ended_unless_one_as_late_was_heard() -> None:
    ended, _ = fold(spo2((0, 82), (10, 82), (20, 97), (320, 97), (330, 97)))
    assert ended[LOW].phase is Phase.QUIET
    assert step(ended, reading(5, 331, spo2_percent=80)) == (ended, ())
    after, rings = step(ended, reading(325, 331, spo2_percent=80))
    assert (rings[0].since_at, after[LOW].phase) == (AT + timedelta(seconds=325), Phase.RINGING)


def test_a_clock_set_back_stops_nothing_for_long() -> None:
    state, rang = fold([reading(0, spo2_percent=90), reading(-7200, 60, spo2_percent=90)])
    assert rang == []
    state, _ = fold([reading(-6600, 660, spo2_percent=90)], state)
    assert fold([reading(-6540, 720, spo2_percent=90)], state)[1] == [(-6540, LOW)]


def test_a_clock_set_back_ends_no_alarm_and_begins_none() -> None:
    ringing, _ = fold(spo2((0, 90), (60, 90)))
    behind, rang = fold([reading(-7200, 700, spo2_percent=90), reading(-7100, 800, spo2_percent=90)], ringing)
    assert (rang, behind[LOW].phase) == ([], Phase.RINGING)
    extreme, rang = fold([reading(-7200, 700, spo2_percent=80)], ringing)
    assert (rang, extreme[LOW].phase) == ([(-7200, LOW)], Phase.RINGING)
    clear, _ = fold([reading(-7200, 700, spo2_percent=97), reading(-6900, 1000, spo2_percent=97)], ringing)
    assert clear[LOW].phase is Phase.QUIET
    suspected, _ = fold(spo2((0, 90)))
    assert fold([reading(-7200, 700, spo2_percent=97)], suspected) == (QUIET, [])
    assert fold([reading(-7200, 700, spo2_percent=80)], suspected)[1] == [(-7200, LOW)]


def test_what_rang_long_ago_is_forgotten() -> None:
    state, _ = fold(spo2((0, 83), (10, 97), (400, 97)))
    assert state[LOW].phase is Phase.QUIET
    assert fold(spo2((26 * HOUR, 97)), state)[0][LOW].phase is Phase.QUIET
    assert fold(spo2((26 * HOUR + 1, 97)), state) == (QUIET, [])


# --- What holds for all readings --------------------------------------------------------------------------------------

values = st.integers(78, 99)
gaps = st.lists(st.tuples(st.integers(1, 400), values), min_size=1, max_size=60)


def at_times(gaps_and_values: list[tuple[int, int]]) -> list[Vitals]:
    told, at_s = [], 0
    for gap_s, value in gaps_and_values:
        at_s += gap_s
        told.append(reading(at_s, spo2_percent=value))
    return told


@given(st.lists(st.tuples(st.integers(1, 400), st.integers(84, 93)), max_size=50))
def test_a_value_that_wanders_about_its_limit_rings_at_most_once(told: list[tuple[int, int]]) -> None:
    assert len(fold(at_times(told))[1]) <= 1


@given(gaps)
def test_between_two_matters_that_rang_all_was_clear_for_long_enough(told: list[tuple[int, int]]) -> None:
    rule, readings = RULES["spo2_percent"], at_times(told)
    state, rang_at = QUIET, []
    for each in readings:
        state, rings = step(state, each)
        rang_at += [each.received_at for ring in rings]
        assert not rings or (each.spo2_percent or 0) <= 91
    for first_at, third_at in zip(rang_at, rang_at[2:], strict=False):  # the second may be the first grown extreme
        between = [each for each in readings if first_at < each.received_at < third_at]
        clear_s, since_at = 0.0, None
        for each in between:
            is_clear = (each.spo2_percent or 0) > 91 + rule.margin
            since_at = (since_at or each.received_at) if is_clear else None
            clear_s = max(clear_s, (each.received_at - since_at).total_seconds() if since_at else 0)
        is_reminded = (third_at - first_at).total_seconds() >= rule.again_s
        assert clear_s >= rule.clear_for_s or is_reminded


bad, good = st.integers(84, 91), st.integers(94, 99)
short = st.integers(1, 60)


@given(
    st.lists(
        st.tuples(st.lists(st.tuples(short, bad), min_size=2, max_size=9), st.tuples(short, good)),
        min_size=1,
        max_size=8,
    )
)
def test_single_good_samples_among_bad_ones_silence_nothing(
    runs: list[tuple[list[tuple[int, int]], tuple[int, int]]],
) -> None:
    """A clip that slips says something normal now and then."""
    told = [each for low, high in runs for each in (*low, high)]
    readings = at_times(told)
    crossing = [each.received_at for each in readings if (each.spo2_percent or 0) <= 91]
    assert len(fold(readings)[1]) == ((crossing[-1] - crossing[0]).total_seconds() >= RULES["spo2_percent"].for_s)


@given(
    st.lists(
        st.tuples(st.tuples(short, bad), st.lists(st.tuples(short, good), min_size=2, max_size=9)),
        min_size=1,
        max_size=8,
    )
)
def test_single_bad_samples_among_good_ones_ring_never(
    runs: list[tuple[tuple[int, int], list[tuple[int, int]]]],
) -> None:
    assert fold(at_times([each for low, high in runs for each in (low, *high)]))[1] == []


@pytest.mark.parametrize("nth", [4, 9])
def test_a_clear_sample_now_and_then_does_not_silence_an_emergency(nth: int) -> None:
    told = [(6.0 * n, 84.0 if n % nth else 94.0) for n in range(1200)]
    assert [at_s for at_s, _ in fold(spo2(*told))[1]] == [66.0]


@given(gaps)
def test_a_person_who_stays_beyond_the_limit_is_never_overheard(told: list[tuple[int, int]]) -> None:
    low = [(gap_s, min(value, 91)) for gap_s, value in told]
    readings = at_times(low)
    rang = fold(readings)[1]
    lasted_s = (readings[-1].received_at - readings[0].received_at).total_seconds()
    assert bool(rang) == (lasted_s >= RULES["spo2_percent"].for_s or any(value <= 83 for _, value in low))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from([80, 82, 90, 97])), max_size=25), st.integers(1, 25))
def test_a_batch_told_again_rings_the_same_again_and_changes_nothing(told: list[tuple[int, int]], size: int) -> None:
    readings, state = at_times(told), QUIET
    for start in range(0, len(readings), size):
        batch = readings[start : start + size]
        state, rang = fold(batch, state)
        again, rang_again = fold(batch, state)
        if state == QUIET:
            continue  # nothing rang, and a suspicion that passed may be had anew
        assert again == state
        assert rang_again == rang
        assert len(rang) <= REMEMBERED


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "heart_rate_bpm": st.integers(0, 320),
            "spo2_percent": st.integers(0, 110),
            "systolic_mmhg": st.integers(0, 320),
            "diastolic_mmhg": st.integers(0, 320),
            "temperature_c": st.integers(15, 50),
            "temperature_site": st.sampled_from(["wrist", "ear"]),
            "respiration_per_min": st.integers(0, 90),
        },
    )
)
def test_a_quiet_elder_costs_nothing_until_a_limit_is_crossed(measured: dict[str, float | str]) -> None:
    told = reading(0, 0, **measured)
    state, rings = step(QUIET, told)
    assert tuple(state) == crossed(told)
    assert {ring.code for ring in rings} <= set(state)
    assert (state is QUIET) == (not crossed(told))
