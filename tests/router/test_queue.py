"""Who is served first: life strictly, and nobody else is left for ever."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dispatch.model import Band, IncidentId
from dispatch.router.queue import Waiting, order

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def call(number: int, band: Band, waited_s: float, level: int = 0) -> Waiting:
    return Waiting(IncidentId(UUID(int=number)), band, NOW - timedelta(seconds=waited_s), level)


calls = st.builds(
    call, st.integers(0, 10**6), st.sampled_from(Band), st.floats(0, 100_000, allow_nan=False), st.integers(0, 3)
)


@given(st.lists(calls, max_size=40))
def test_life_comes_before_all_others_and_the_oldest_first(waiting: list[Waiting]) -> None:
    ordered = order(waiting, NOW)
    life = [each for each in ordered if each.band == Band.LIFE]
    assert ordered[: len(life)] == life
    assert [each.opened_at for each in life] == sorted(each.opened_at for each in life)


@given(st.lists(calls, max_size=40, unique_by=lambda each: each.incident_id), st.randoms())
def test_the_order_does_not_hang_on_how_the_calls_were_listed(waiting: list[Waiting], draw: Random) -> None:
    shuffled = list(waiting)
    draw.shuffle(shuffled)
    assert sorted(waiting, key=repr) == sorted(order(waiting, NOW), key=repr)
    assert order(shuffled, NOW) == order(waiting, NOW)


@given(calls, st.floats(1, 10_000))
def test_waiting_never_puts_a_call_back(one: Waiting, longer_s: float) -> None:
    older = call(one.incident_id.int, one.band, (NOW - one.opened_at).total_seconds() + longer_s, one.level)
    fresh = call(10**7, one.band, (NOW - one.opened_at).total_seconds(), one.level)
    assert order([fresh, older], NOW) == [older, fresh]


def test_a_service_call_that_waited_long_passes_a_fresh_urgent_one_but_never_life() -> None:
    life, urgent = call(1, Band.LIFE, 0), call(2, Band.URGENT, 5)
    service = call(3, Band.SERVICE, 1800 + 6)
    assert order([urgent, service, life], NOW) == [life, service, urgent]
    assert order([call(3, Band.SERVICE, 1800 + 4), urgent], NOW)[0] == urgent


def test_a_climbed_ladder_counts_like_waiting() -> None:
    climbed, older = call(1, Band.ORDINARY, 0, level=1), call(2, Band.ORDINARY, 119)
    assert order([older, climbed], NOW) == [climbed, older]
