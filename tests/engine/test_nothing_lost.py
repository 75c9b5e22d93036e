"""What must not be lost when the database refuses, or the engine is stopped, in the middle of a batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from dispatch.engine import Engine, Happen, RaiseAlarm
from dispatch.errors import Unreachable
from dispatch.incident import events as ev
from dispatch.model import Key
from dispatch.store.database import Database

from .conftest import START
from .test_engine import alarms, do, fetch, opened, press


@pytest.fixture
async def beside(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, in which nothing is limited."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close(timeout=5)


async def test_a_database_that_only_reads_makes_alarms_wait(
    engine: Engine, database: Database, beside: asyncpg.Connection
) -> None:
    name = await beside.fetchval("SELECT quote_ident(current_database())")
    await beside.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await database.close()
    stored = engine.submit(RaiseAlarm(press()))
    assert await engine.step() == 1
    assert not stored.done()
    await beside.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
    await database.close()
    assert await engine.step() == 1
    assert (await stored).incident is not None
    assert await fetch(database, "SELECT kind FROM alarm") == ["sos"]


async def test_an_alarm_that_can_be_neither_stored_nor_parked_waits_and_stops_no_other(
    engine: Engine, database: Database, beside: asyncpg.Connection
) -> None:
    await beside.execute("ALTER TABLE parked ADD CONSTRAINT nothing_goes CHECK (false)")
    await beside.execute("ALTER TABLE alarm ADD CONSTRAINT not_t1 CHECK (terminal_id <> 'T1')")
    stuck, good = engine.submit(RaiseAlarm(press("T1"))), engine.submit(RaiseAlarm(press("T2")))
    await engine.step()
    assert (await good).incident is not None
    assert (stuck.done(), engine.backlog) == (False, 1)
    await beside.execute("ALTER TABLE alarm DROP CONSTRAINT not_t1")
    await engine.step()
    assert (await stuck).incident is not None
    assert await fetch(database, "SELECT terminal_id, kind FROM alarm ORDER BY 1") == [("T1", "sos"), ("T2", "sos")]


async def test_a_password_changed_under_us_is_a_database_that_is_away(
    engine: Engine, database: Database, dsn: str
) -> None:
    before, _, after = dsn.partition("@")
    stranger = Engine(Database(f"{before.rpartition(':')[0]}:wrong@{after}"), engine._clock, engine.policies)
    stored = stranger.submit(RaiseAlarm(press()))
    asked = stranger.open_by_hand("op", Key.SOS, home_id=None, address="9 Elm Road")
    await stranger.step()
    assert (stored.done(), stranger.backlog) == (False, 1)
    asking = asyncio.ensure_future(asked)
    await asyncio.sleep(0)
    await stranger.step()
    with pytest.raises(Unreachable):
        await asking
    assert await fetch(database, "SELECT count(*) FROM alarm") == [0]


async def test_an_engine_stopped_in_the_middle_of_a_halved_batch_gives_back_all_that_is_left(
    engine: Engine, database: Database, beside: asyncpg.Connection
) -> None:
    bad = press("T9", "nul\0inside")
    handed_in = [engine.submit(RaiseAlarm(each)) for each in (press("G1"), press("G2"), bad, press("G3"))]
    async with beside.transaction():
        await beside.execute("LOCK TABLE incident_log IN EXCLUSIVE MODE")  # the first half stops short of its commit
        step = asyncio.ensure_future(engine.step())
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND relation = 'incident_log'::regclass)"
        while not await beside.fetchval(waits):
            assert not step.done()
        step.cancel()
        await asyncio.gather(step, return_exceptions=True)
    assert engine.backlog == 4
    await engine.step()
    assert [(await future).incident is not None for future in handed_in] == [True] * 4
    assert await fetch(database, "SELECT terminal_id FROM alarm ORDER BY row_id") == ["G1", "G2", "T9", "G3"]


async def test_the_cancel_of_an_earlier_alarm_does_not_cancel_a_new_one_of_the_same_id(
    engine: Engine, database: Database
) -> None:
    """A terminal that counts from 1 again after a change of battery must not be muted by what it took back once."""
    [first] = await alarms(engine, press(key=Key.SERVICE))
    await alarms(engine, press("T1", "c1", cancel_of="a1"))
    await do(engine, Happen(opened(first), ev.CancelConfirmed("op")))
    [second] = await alarms(engine, press(key=Key.SERVICE, happened_at=START))
    assert second.incident is not None
    assert second.incident.id != opened(first)
    assert (second.incident.cancelled_at, second.incident.grace_by) == (None, None)
    assert await fetch(database, "SELECT flaws FROM alarm WHERE incident_id = $1", opened(second)) == [["id_reused"]]
