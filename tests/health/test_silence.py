"""Silence counts only while we listened, and is measured by the home's own nights."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.health.silence import LongestSilence, Span, allowed_s, joined, listened_s, longest_by_day, silence

AT = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = 3600.0
TODAY = date(2026, 3, 15)


def hours(number: float) -> datetime:
    return AT + timedelta(hours=number)


def span(start: float, end: float) -> Span:
    return Span(hours(start), hours(end))


ALWAYS = [span(-1000, 10_000)]


def nights(*silent_h: float, until: date = TODAY) -> list[LongestSilence]:
    """One longest silence a day, the last on the day before `until`."""
    return [
        LongestSilence(until - timedelta(days=ago), silent * HOUR)
        for ago, silent in enumerate(reversed(silent_h), start=1)
    ]


@pytest.mark.parametrize(
    ("spans", "whole"),
    [
        ([], []),
        ([span(1, 1), span(3, 2)], []),
        ([span(2, 3), span(0, 1)], [span(0, 1), span(2, 3)]),
        ([span(0, 1), span(1, 2)], [span(0, 2)]),
        ([span(0, 5), span(1, 2), span(4, 6)], [span(0, 6)]),
    ],
)
def test_spans_are_joined(spans: list[Span], whole: list[Span]) -> None:
    assert joined(spans) == whole


@pytest.mark.parametrize(
    ("listening", "listened_h"),
    [
        (ALWAYS, 10),
        ([], 0),
        ([span(0, 4), span(6, 10)], 8),
        ([span(0, 4), span(2, 10)], 10),
        ([span(-5, 1), span(9, 20)], 2),
        ([span(-5, 0), span(10, 20)], 0),
    ],
)
def test_only_time_in_which_we_listened_counts(listening: list[Span], listened_h: float) -> None:
    assert listened_s(listening, hours(0), hours(10)) == listened_h * HOUR
    assert listened_s(listening, hours(10), hours(0)) == 0


def test_a_silence_belongs_to_the_day_on_which_it_ended() -> None:
    heard = [hours(each) for each in (8, 12, 22, 31, 33, 33, 60)]
    assert longest_by_day([*reversed(heard), *heard], ALWAYS, UTC) == [
        LongestSilence(date(2026, 3, 1), 10 * HOUR),
        LongestSilence(date(2026, 3, 2), 9 * HOUR),
        LongestSilence(date(2026, 3, 3), 27 * HOUR),
    ]
    assert longest_by_day(heard[:1], ALWAYS, UTC) == []


def test_a_day_on_which_we_hardly_listened_says_nothing_of_what_is_usual() -> None:
    heard = [hours(each) for each in (8, 12, 22, 31)]
    first, second = date(2026, 3, 1), date(2026, 3, 2)
    assert longest_by_day(heard, [span(0, 13), span(17, 48)], UTC) == [
        LongestSilence(first, 6 * HOUR),
        LongestSilence(second, 9 * HOUR),
    ]
    assert longest_by_day(heard, [span(0, 13), span(17.1, 48)], UTC) == [LongestSilence(second, 9 * HOUR)]


@pytest.mark.parametrize(
    ("usual", "allowed_h"),
    [
        ([9] * 4, None),
        ([9] * 5, 18),
        ([9] * 14, 18),
        ([1] * 14, 6),
        ([3] * 14, 6),
        ([3.5] * 14, 7),
        ([9] * 13 + [170], 18),  # a week with the daughter
        ([40] * 10 + [9] * 14, 18),  # what was before the two weeks
        ([], None),
    ],
)
def test_a_home_may_be_silent_twice_as_long_as_it_usually_is(usual: list[float], allowed_h: float | None) -> None:
    assert allowed_s(nights(*usual), TODAY) == (None if allowed_h is None else allowed_h * HOUR)


def test_today_is_not_yet_usual() -> None:
    days = [*nights(9, 9, 9, 9), LongestSilence(TODAY, 9 * HOUR)]
    assert allowed_s(days, TODAY) is None


@pytest.mark.parametrize(
    ("silent_h", "deaf", "code"),
    [
        (18, [], None),
        (18.01, [], "no_activity"),
        (20, [(5, 8)], None),
        (21.01, [(5, 8)], "no_activity"),
    ],
)
def test_silence_is_too_long_beyond_what_is_allowed(
    silent_h: float, deaf: list[tuple[float, float]], code: str | None
) -> None:
    edges = [-100.0, *[edge for pair in deaf for edge in pair], 100.0]
    listening = [span(*pair) for pair in zip(edges[::2], edges[1::2], strict=True)]
    found = silence(hours(0), listening, 18 * HOUR, hours(silent_h))
    assert found is not None
    assert (found.code, found.allowed_s, found.heard_at) == (code, 18 * HOUR, hours(0))


def test_a_home_that_does_not_usually_speak_is_never_too_silent() -> None:
    assert silence(hours(0), ALWAYS, None, hours(9000)) is None


def test_right_after_we_come_back_nobody_has_been_silent_for_long() -> None:
    found = silence(hours(0), [span(-10, 0.5), span(100, 200)], 6 * HOUR, hours(101))
    assert found is not None
    assert (found.silent_s, found.code) == (1.5 * HOUR, None)


instants = st.integers(0, 400).map(hours)
spans = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 400)).map(lambda pair: span(*pair)), max_size=6)


@given(spans, st.integers(0, 400), st.integers(0, 400), st.integers(0, 400))
def test_listened_time_adds_up_and_is_no_longer_than_the_time(listening: list[Span], a: int, b: int, c: int) -> None:
    first, middle, last = sorted((a, b, c))
    parts = listened_s(listening, hours(first), hours(middle)) + listened_s(listening, hours(middle), hours(last))
    assert parts == listened_s(listening, hours(first), hours(last)) <= (last - first) * HOUR


@given(st.lists(instants, max_size=20), spans)
def test_deafness_makes_no_silence_longer(heard: list[datetime], listening: list[Span]) -> None:
    there = {each.day: each.silent_s for each in longest_by_day(heard, ALWAYS, UTC)}
    heard_less = longest_by_day(heard, listening, UTC)
    assert all(each.silent_s <= there[each.day] for each in heard_less)
