"""Who dispatches: the first lease, standing by, taking over, and a holder that froze and wakes too late."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from dispatch.clock import SystemClock, VirtualClock, limit
from dispatch.engine import Engine, FireDue, RaiseAlarm
from dispatch.engine.lease import FRESH_S, SILENT_AFTER_S, InstanceLock, Lease
from dispatch.errors import SteppedDown, Unreachable
from dispatch.incident.policy import Policies
from dispatch.store.database import Database
from simulator.servers import PostgresServer
from tests.link import Link, through

from .test_engine import alarms, fetch, opened, press

WITHIN_S = 15


@pytest_asyncio.fixture
async def holders(dsn: str) -> AsyncIterator[Database]:
    """The database as a dispatching process uses it."""
    holders = Database(dsn, dispatching=True)
    yield holders
    await holders.close()


@pytest.fixture
def one(holders: Database, clock: VirtualClock) -> Lease:
    return Lease(holders, clock, "one")


@pytest.fixture
def two(holders: Database, clock: VirtualClock) -> Lease:
    return Lease(holders, clock, "two")


async def overtake(lease: Lease, clock: VirtualClock) -> None:
    """Let a lease stand by until it has seen enough silence."""
    assert not await lease.try_to_win()
    await clock.advance(SILENT_AFTER_S)
    assert await lease.try_to_win()


async def passes(clock: VirtualClock, task: asyncio.Future[Any]) -> None:
    """Let virtual time pass, a little at a time, until `task` has ended."""
    async with limit(WITHIN_S):
        while not task.done():
            await clock.advance(0.25)
            await SystemClock().sleep(0.002)


# --- winning ---------------------------------------------------------------------------------------------------------


async def test_the_first_of_all_leads_at_once(one: Lease, database: Database) -> None:
    assert await one.win() == 1
    assert one.is_fresh()
    assert await fetch(database, "SELECT term, holder FROM lease") == [(1, "one")]


async def test_of_two_that_find_no_lease_one_wins(one: Lease, two: Lease, database: Database) -> None:
    won = await asyncio.gather(one.try_to_win(), two.try_to_win())
    assert sorted(won) == [False, True]
    assert await fetch(database, "SELECT count(*) FROM lease") == [1]


async def test_a_standby_waits_as_long_as_the_count_rises(one: Lease, two: Lease, clock: VirtualClock) -> None:
    await one.win()
    for _ in range(10):
        assert not await two.try_to_win()
        await clock.advance(SILENT_AFTER_S - 0.5)
        await one.beat()
    assert two.term is None


async def test_a_standby_takes_over_after_silence_and_no_sooner(one: Lease, two: Lease, clock: VirtualClock) -> None:
    await one.win()
    assert not await two.try_to_win()
    await clock.advance(SILENT_AFTER_S - 0.01)
    assert not await two.try_to_win()
    await clock.advance(0.01)
    assert await two.try_to_win()
    assert two.term == 2
    await one.beat()
    assert one.term is None


async def test_of_two_standbys_one_wins(one: Lease, two: Lease, holders: Database, clock: VirtualClock) -> None:
    await one.win()
    three = Lease(holders, clock, "three")
    assert [await two.try_to_win(), await three.try_to_win()] == [False, False]
    await clock.advance(SILENT_AFTER_S)
    won = await asyncio.gather(two.try_to_win(), three.try_to_win())
    assert sorted(won) == [False, True]
    assert {two.term, three.term} == {None, 2}


async def test_standing_by_ends_with_the_lease(one: Lease, two: Lease, clock: VirtualClock) -> None:
    await one.win()
    winning = asyncio.ensure_future(two.win())
    await passes(clock, winning)
    assert await winning == 2


async def test_silence_does_not_count_while_the_standby_could_not_hear(
    one: Lease, dsn: str, postgres: PostgresServer, clock: VirtualClock
) -> None:
    assert postgres.port is not None
    async with Link(postgres.port) as link:
        far = Database(through(link, dsn), dispatching=True)
        two = Lease(far, clock, "two")
        await one.win()
        assert not await two.try_to_win()
        await link.refuse()
        winning = asyncio.ensure_future(two.win())
        async with limit(WITHIN_S):
            while clock.next_wake_at() is None:  # until it has looked in vain
                await SystemClock().sleep(0.002)
        await clock.advance(2 * SILENT_AFTER_S)
        await link.restore()
        heard_from_s = clock.elapsed()
        await passes(clock, winning)
        assert clock.elapsed() - heard_from_s >= SILENT_AFTER_S
        await far.close()


# --- the same instance, started again --------------------------------------------------------------------------------


async def test_a_restart_of_the_same_instance_need_not_wait(
    holders: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    former, present = InstanceLock(tmp_path / "locks" / "one"), InstanceLock(tmp_path / "locks" / "one")
    first, again = Lease(holders, clock, "one", former), Lease(holders, clock, "one", present)
    assert former.is_ours()
    await first.win()
    assert not await again.try_to_win()  # the former process lives
    former.release()
    assert await again.try_to_win()
    assert again.term == 2


async def test_another_instance_waits_though_its_own_lock_is_free(
    one: Lease, holders: Database, clock: VirtualClock, tmp_path: Path
) -> None:
    await one.win()
    two = Lease(holders, clock, "two", InstanceLock(tmp_path / "two"))
    await overtake(two, clock)


# --- keeping ---------------------------------------------------------------------------------------------------------


async def test_a_holder_is_fresh_while_it_can_say_so(one: Lease, clock: VirtualClock) -> None:
    assert not one.is_fresh()
    await one.win()
    await clock.advance(FRESH_S - 0.1)
    assert one.is_fresh()
    await clock.advance(0.1)
    assert not one.is_fresh()
    await one.beat()
    assert one.is_fresh()


async def test_a_beat_that_the_database_did_not_hear_does_not_count(
    dsn: str, postgres: PostgresServer, clock: VirtualClock
) -> None:
    assert postgres.port is not None
    async with Link(postgres.port) as link:
        far = Database(through(link, dsn), dispatching=True)
        one = Lease(far, clock, "one")
        await one.win()
        await link.refuse()
        await clock.advance(FRESH_S)
        with pytest.raises(Unreachable):
            await one.beat()
        assert one.term == 1
        assert not one.is_fresh()
        await link.restore()
        await one.beat()
        assert one.is_fresh()
        await far.close()


async def test_leading_stops_the_work_when_the_lease_is_lost(one: Lease, two: Lease, clock: VirtualClock) -> None:
    await one.win()
    work = asyncio.create_task(clock.sleep(3600))
    leading = asyncio.ensure_future(one.lead(work))
    await overtake(two, clock)
    await passes(clock, leading)
    assert work.cancelled()
    assert one.term is None


async def test_work_that_finds_the_lease_lost_ends_the_leading_and_is_no_fault(one: Lease, clock: VirtualClock) -> None:
    await one.win()

    async def run() -> None:
        raise SteppedDown("lease_lost", term=1)

    leading = asyncio.ensure_future(one.lead(asyncio.create_task(run())))
    await passes(clock, leading)
    await leading
    assert one.term is None


async def test_leading_ends_with_the_work(one: Lease, clock: VirtualClock) -> None:
    await one.win()
    work = asyncio.create_task(clock.sleep(0))
    leading = asyncio.ensure_future(one.lead(work))
    await passes(clock, leading)
    assert one.term == 1


@pytest.mark.parametrize("culprit", ["the work", "the beat"])
async def test_a_fault_that_ends_leading_is_not_swallowed(
    one: Lease, database: Database, clock: VirtualClock, culprit: str
) -> None:
    await one.win()
    if culprit == "the beat":
        await fetch(database, "ALTER TABLE lease RENAME COLUMN beat TO pulse")

    async def run() -> None:
        if culprit == "the work":
            raise asyncpg.UndefinedColumnError("found by the work")
        await clock.sleep(3600)

    work = asyncio.create_task(run())
    leading = asyncio.ensure_future(one.lead(work))
    await passes(clock, leading)
    with pytest.raises(asyncpg.UndefinedColumnError):
        await leading
    assert work.done()


async def test_keeping_raises_the_count_each_second(one: Lease, database: Database, clock: VirtualClock) -> None:
    await one.win()
    keeping = asyncio.ensure_future(one.keep())
    for beats in range(1, 6):
        async with limit(WITHIN_S):
            while clock.next_wake_at() is None:
                await SystemClock().sleep(0.002)
        assert await fetch(database, "SELECT beat FROM lease") == [beats]
        await clock.advance(1)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


# --- frozen and woken ------------------------------------------------------------------------------------------------


async def test_one_frozen_in_a_transaction_is_overtaken_and_writes_nothing_when_it_wakes(
    one: Lease, two: Lease, holders: Database, database: Database, clock: VirtualClock
) -> None:
    assert await one.win() == 1
    frozen, overtaken = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with holders.transaction(1) as connection:
            await connection.execute("UPDATE worker SET is_on_duty = false")
            frozen.set()
            await overtaken.wait()
            await connection.execute("UPDATE worker SET is_on_duty = false")

    writing = asyncio.ensure_future(write())
    await frozen.wait()
    winning = asyncio.ensure_future(two.win())
    await passes(clock, winning)  # PostgreSQL ends the frozen transaction, which held the lease's row
    assert two.term == 2
    overtaken.set()
    with pytest.raises(Unreachable):
        await writing
    with pytest.raises(SteppedDown):
        async with holders.transaction(1):
            raise AssertionError("the term is over")
    assert await fetch(database, "SELECT count(*) FROM worker WHERE is_on_duty") == [3]


async def test_an_engine_overtaken_fires_no_clock_and_still_stores_presses(
    one: Lease, two: Lease, holders: Database, database: Database, clock: VirtualClock, policies: Policies
) -> None:
    engine = Engine(holders, clock, policies, lambda: 1)
    await engine.prepare()
    await one.win()
    [outcome] = await alarms(engine, press("T1"))
    await overtake(two, clock)
    await clock.advance(3600)
    fired, stored = engine.submit(FireDue(opened(outcome))), engine.submit(RaiseAlarm(press("T2")))
    await engine.step()
    with pytest.raises(SteppedDown):
        await fired
    await engine.step()
    assert (await stored).incident is not None
    assert await fetch(database, "SELECT level FROM incident ORDER BY number") == [0, 0]


@pytest.mark.parametrize("is_overtaken", [True, False])
async def test_presses_heard_before_a_freeze_are_stored_after_it_only_by_who_leads_then(
    one: Lease, two: Lease, holders: Database, database: Database, clock: VirtualClock, policies: Policies,
    *, is_overtaken: bool,
) -> None:  # fmt: skip
    engine = Engine(holders, clock, policies, lambda: one.term, is_ours=one.is_ours)
    await engine.prepare()
    term = await one.win()
    if is_overtaken:
        await overtake(two, clock)
    else:
        await clock.advance(FRESH_S)
    assert not one.is_ours(term)
    stored = engine.submit(RaiseAlarm(press("T1"), term))
    await engine.step()
    assert await fetch(database, "SELECT count(*) FROM alarm") == [0 if is_overtaken else 1]
    if is_overtaken:
        assert engine.backlog == 1  # it waits, unacknowledged, until its lane ends with the term
        stored.cancel()
        await engine.step()
        assert await fetch(database, "SELECT count(*) FROM alarm") == [0]
    else:
        assert (await stored).incident is not None
