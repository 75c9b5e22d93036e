"""Time, ids and chance: the virtual clock wakes everybody at their instant, the real one is bent and never jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from dispatch import clock as clock_module
from dispatch.clock import SLEW_MAX, WALL_MOVED_BY, Clock, SystemClock, VirtualClock, limit

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


class Sources:
    """What `SystemClock` reads, in our hands: the wall's time and the time since boot, in seconds."""

    def __init__(self) -> None:
        self.wall_s = START.timestamp()
        self.boot_s = 1000.0

    def pass_time(self, seconds: float) -> None:
        self.wall_s += seconds
        self.boot_s += seconds


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> Sources:
    ours = Sources()
    fake = SimpleNamespace(time=lambda: ours.wall_s, clock_gettime=lambda _: ours.boot_s, CLOCK_MONOTONIC=1)
    monkeypatch.setattr(clock_module, "time", fake)
    return ours


def since_start(clock: Clock) -> float:
    return (clock.now() - START).total_seconds()


async def started(*coroutines: Awaitable[object]) -> list[asyncio.Future[object]]:
    """Tasks that have all run as far as their first wait."""
    tasks: list[asyncio.Future[object]] = [asyncio.ensure_future(each) for each in coroutines]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


# --- ids -------------------------------------------------------------------------------------------------------------


def test_ids_rise_strictly_even_when_more_are_drawn_in_one_millisecond_than_it_counts() -> None:
    clock = VirtualClock(START)
    ids = [clock.new_id() for _ in range(10_000)]
    assert all(one < two for one, two in pairwise(ids))


async def test_ids_rise_strictly_over_time_and_tell_their_instant() -> None:
    clock = VirtualClock(START)
    ids = []
    for _ in range(200):
        ids.append(clock.new_id())
        await clock.advance(0.0007)
    assert all(one < two for one, two in pairwise(ids))
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {"specified in RFC 4122"}
    assert ids[0].int >> 80 == START.timestamp() * 1000
    assert ids[-1].int >> 80 == START.timestamp() * 1000 + 139


def test_ids_of_the_real_clock_rise_strictly_too() -> None:
    clock = SystemClock()
    ids = [clock.new_id() for _ in range(10_000)]
    assert all(one < two for one, two in pairwise(ids))


def test_one_seed_gives_the_same_ids_jitter_and_chances_and_another_does_not() -> None:
    def drawn(seed: int) -> list[object]:
        clock = VirtualClock(START, seed)
        return [clock.new_id(), clock.jitter(10), clock.chances("rain").random(), clock.chances("wind").random()]

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))
    assert len(set(drawn(1))) == 4


# --- the virtual clock -----------------------------------------------------------------------------------------------


async def test_sleepers_wake_in_order_and_each_at_exactly_its_own_instant() -> None:
    clock = VirtualClock(START)
    woken: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.elapsed()))

    async def wait(name: str, seconds: float) -> None:
        assert not await clock.wait(asyncio.Event(), seconds)
        woken.append((name, clock.elapsed()))

    tasks = await started(sleep("c", 3), wait("b", 2.5), sleep("first at 1", 1), wait("second at 1", 1), sleep("d", 9))
    await clock.advance(5)
    assert woken == [("first at 1", 1), ("second at 1", 1), ("b", 2.5), ("c", 3)]
    assert clock.now() == START + timedelta(seconds=5)
    assert clock.next_wake_at() == START + timedelta(seconds=9)
    await clock.advance(4)
    await asyncio.gather(*tasks)
    assert woken[-1] == ("d", 9)


async def test_one_who_sleeps_again_is_woken_again_within_the_same_advance() -> None:
    clock = VirtualClock(START)
    beats: list[float] = []

    async def beat() -> None:
        while True:
            await clock.sleep(1)
            beats.append(clock.elapsed())

    [beating] = await started(beat())
    await clock.advance(4.5)
    beating.cancel()
    assert beats == [1, 2, 3, 4]


async def test_who_gave_up_sleeping_is_forgotten() -> None:
    clock = VirtualClock(START)
    [one, _] = await started(clock.sleep(1), clock.sleep(2))
    one.cancel()
    await asyncio.gather(one, return_exceptions=True)
    assert clock.next_wake_at() == START + timedelta(seconds=2)
    await clock.advance(2)
    assert clock.next_wake_at() is None


async def test_a_virtual_wait_is_true_for_the_event_and_false_for_the_time() -> None:
    clock = VirtualClock(START)
    event = asyncio.Event()
    rung, unheard = await started(clock.wait(event, 10), clock.wait(asyncio.Event(), 10))
    event.set()
    assert await rung
    assert clock.now() == START
    await clock.advance(10)
    assert not await unheard
    assert await clock.wait(event, 10)
    assert clock.next_wake_at() is None


async def test_advancing_to_the_past_changes_nothing() -> None:
    clock = VirtualClock(START)
    await clock.advance_to(START - timedelta(days=1))
    assert clock.now() == START


# --- both ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clock", [SystemClock(), VirtualClock(START)], ids=["real", "virtual"])
async def test_a_wait_that_is_over_already_ends_without_time_passing(clock: Clock) -> None:
    async with limit(5):
        assert not await clock.wait(asyncio.Event(), 0)
        assert not await clock.wait(asyncio.Event(), -1)
        await clock.sleep(0)
        await clock.sleep(-1)


async def test_a_real_wait_is_true_for_the_event_and_false_for_the_time() -> None:
    clock, event = SystemClock(), asyncio.Event()
    assert not await clock.wait(event, 0.001)
    [rung] = await started(clock.wait(event, 60))
    event.set()
    assert await rung


# --- the real clock --------------------------------------------------------------------------------------------------


def test_a_wall_set_forward_by_hand_bends_the_clock_by_one_per_cent_and_no_more(sources: Sources) -> None:
    clock = SystemClock()
    sources.wall_s += 3600
    assert since_start(clock) == 0
    for _ in range(100):
        before = since_start(clock)
        sources.pass_time(1)
        assert since_start(clock) - before == pytest.approx(1 + SLEW_MAX)
    assert clock.off_wall_s() == pytest.approx(3600 - 1)


def test_a_wall_set_back_by_hand_never_sets_the_clock_back(sources: Sources) -> None:
    clock = SystemClock()
    sources.wall_s -= 3600
    for step in (0, 0.001, 1, 60, 600):
        before = since_start(clock)
        sources.pass_time(step)
        assert since_start(clock) - before == pytest.approx(step * (1 - SLEW_MAX), abs=1e-5)


def test_bent_long_enough_the_clock_agrees_with_the_wall_and_stays_so(sources: Sources) -> None:
    clock = SystemClock()
    sources.wall_s += 0.5
    for _ in range(60):
        sources.pass_time(1)
        clock.now()
    assert clock.off_wall_s() == pytest.approx(0, abs=1e-5)
    before = since_start(clock)
    sources.pass_time(1)
    assert since_start(clock) - before == pytest.approx(1, abs=1e-5)


def test_reading_often_bends_no_more_than_reading_seldom(sources: Sources) -> None:
    clock = SystemClock()
    sources.wall_s += 3600
    for _ in range(1000):
        clock.now()
        sources.pass_time(0.01)
        clock.now()
    assert since_start(clock) == pytest.approx(10 * (1 + SLEW_MAX))


def test_durations_are_not_bent(sources: Sources) -> None:
    clock = SystemClock()
    before = clock.elapsed()
    sources.wall_s -= 3600
    sources.pass_time(10)
    clock.now()
    assert clock.elapsed() - before == 10


async def test_a_limit_ends_what_takes_longer() -> None:
    with pytest.raises(TimeoutError):
        async with limit(0.001):
            await asyncio.Event().wait()


def test_a_wall_clock_that_a_test_moves_is_off_by_just_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved_by = tmp_path / "wall"
    moved_by.write_text("3600")
    right = SystemClock()
    monkeypatch.setenv(WALL_MOVED_BY, str(moved_by))
    ahead = SystemClock()
    assert 3590 < (ahead.now() - right.now()).total_seconds() < 3610
    moved_by.write_text("-86400")
    assert (ahead.now() - right.now()).total_seconds() > 3590  # what runs already is bent, and does not jump
    assert ahead.off_wall_s() < -80_000
