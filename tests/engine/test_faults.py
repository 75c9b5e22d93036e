"""The engine while the database is away, swallows bytes, has no room, or commits and cannot say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dispatch.clock import SystemClock, VirtualClock, limit
from dispatch.engine import Committed, Engine, FireDue, Happen, OpenByHand, Outcome, RaiseAlarm
from dispatch.errors import SteppedDown, Unreachable
from dispatch.incident import events as ev
from dispatch.incident.policy import Policies
from dispatch.model import Alarm, HomeId, IncidentId, Key
from dispatch.store import database as database_module
from dispatch.store.database import Database
from dispatch.store.one_connection import OneConnection
from simulator.servers import PostgresServer
from tests.link import Link, through

from .test_engine import alarms, do, fetch, opened, pick, press

WITHIN_S = 15
NO_ROOM = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
"""
WRITTEN = b'"stage":"stored"'
"""Only the statement that stores a new call carries this."""
AT_THE_STATEMENT = "CREATE TRIGGER no_room BEFORE INSERT ON alarm FOR EACH ROW EXECUTE FUNCTION no_room()"
AT_THE_COMMIT = """CREATE CONSTRAINT TRIGGER no_room AFTER INSERT ON alarm DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION no_room()"""


@pytest_asyncio.fixture
async def link(postgres: PostgresServer) -> AsyncIterator[Link]:
    assert postgres.port is not None
    async with Link(postgres.port) as link:
        yield link


@pytest_asyncio.fixture(params=[Database, OneConnection])
async def far(
    request: pytest.FixtureRequest,
    dsn: str,
    database: Database,
    link: Link,
    clock: VirtualClock,
    policies: Policies,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Engine]:
    """An engine whose way to the same (registered) database goes over the link, and which soon gives up waiting."""
    assert database is not None
    for name in ("CONNECT_WITHIN_S", "COMMAND_WITHIN_S", "CLOSE_WITHIN_S"):
        monkeypatch.setattr(database_module, name, getattr(database_module, name) / 10)
    over_link = request.param(through(link, dsn), dispatching=True)
    engine = Engine(over_link, clock, policies)
    await engine.prepare()
    yield engine
    await over_link.close()


def hand_in(engine: Engine, *presses: Alarm) -> list[asyncio.Future[Outcome]]:
    return [engine.submit(RaiseAlarm(each)) for each in presses]


async def one_alarm(database: Database) -> None:
    """One press is one alarm and one incident, opened once, whatever went wrong on the way."""
    for what in ("alarm", "incident", "incident_log WHERE code = 'opened'"):
        assert await fetch(database, f"SELECT count(*) FROM {what}") == [1], what
    assert await fetch(database, "SELECT count(*) FROM parked") == [0]


# --- away ------------------------------------------------------------------------------------------------------------


async def test_alarms_wait_for_the_database_and_people_hear_at_once(
    far: Engine, database: Database, link: Link, clock: VirtualClock
) -> None:
    [before] = await alarms(far, press("T1", "a1"))
    await link.refuse()
    waiting = hand_in(far, press("T2", "a2"), press("T2", "c2", cancel_of="a2"))
    asked = [
        far.submit(Happen(opened(before), ev.OperatorAnswered("op"))),
        far.submit(OpenByHand(IncidentId(clock.new_id()), "op", Key.SOS, home_id=HomeId("H2"))),
        far.submit(FireDue(opened(before))),
    ]
    assert await far.step() == 5
    for each in asked:
        with pytest.raises(Unreachable):
            await each
    waiting += hand_in(far, press("T1", "a3"))
    assert await far.step() == 3
    assert not any(each.done() for each in waiting)
    assert far.backlog == 3

    await link.restore()
    assert await far.step() == 3
    outcomes = await asyncio.gather(*waiting)
    assert opened(outcomes[0]) == opened(outcomes[1]) != opened(outcomes[2]) == opened(before)
    assert await fetch(database, "SELECT alarm_id FROM alarm ORDER BY row_id") == ["a1", "a2", "c2", "a3"]
    assert await fetch(database, "SELECT answered_by FROM incident ORDER BY number") == [None, None]


async def test_a_running_engine_tries_again_by_itself(far: Engine, link: Link, clock: VirtualClock) -> None:
    running = asyncio.ensure_future(far.run())
    await link.refuse()
    [stored] = hand_in(far, press())
    async with limit(WITHIN_S):
        for _ in range(3):  # three tries, each in vain
            while clock.next_wake_at() is None:
                await SystemClock().sleep(0.002)
            wake_at = clock.next_wake_at()
            assert wake_at is not None
            await clock.advance_to(wake_at)
        await link.restore()
        while not stored.done():
            await clock.advance(1)
            await SystemClock().sleep(0.002)
        await far.settled()
    running.cancel()
    assert (await stored).incident is not None


async def test_a_link_that_swallows_bytes_ends_in_one_alarm(far: Engine, database: Database, link: Link) -> None:
    link.silence()
    [stored] = hand_in(far, press())
    async with limit(WITHIN_S):
        await far.step()
    assert not stored.done()
    link.unsilence()
    await far.step()
    assert not (await stored).is_repeat
    await one_alarm(database)


# --- committed, and not heard of -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("terminal", "fatal"), [("T1", WRITTEN), ("T9", b"COMMIT")], ids=["new_call", "under_locks"])
async def test_a_commit_whose_answer_is_lost_is_one_alarm_with_its_receipts(
    far: Engine, database: Database, link: Link, terminal: str, fatal: bytes
) -> None:
    heard: list[Committed] = []
    doubts: list[str] = []
    far.listen(heard.append)
    far.listen_to_doubt(lambda: doubts.append("who knows"))
    link.cut_before_the_answer_to(fatal)
    [stored] = hand_in(far, press(terminal))
    await far.step()
    assert doubts == ["who knows"], "so that what is durable and untold of is looked for"
    assert link.lost_answers == 1
    assert not stored.done()
    assert heard == []
    await one_alarm(database)
    await far.step()
    assert (await stored).is_repeat
    await one_alarm(database)
    assert await fetch(database, "SELECT body->>'stage' FROM outbox") == ["stored", "stored"]
    assert len(heard) == 1


async def test_a_choice_whose_answer_is_lost_can_be_made_again_and_doubles_no_offer(
    far: Engine, database: Database, link: Link, clock: VirtualClock
) -> None:
    [outcome] = await alarms(far, press())
    link.cut_before_the_answer_to(b"COMMIT")
    chosen = [Happen(opened(outcome), ev.WorkersChosen((pick(clock, "W1"),))) for _ in range(2)]
    first = far.submit(chosen[0])
    await far.step()
    with pytest.raises(Unreachable):
        await first
    second = far.submit(chosen[1])
    await far.step()
    await second
    assert await fetch(database, "SELECT worker_id, state FROM assignment") == [("W1", "offered")]


async def test_a_link_cut_before_the_commit_leaves_nothing_and_the_alarm_is_stored_next_time(
    far: Engine, database: Database, link: Link
) -> None:
    link.cut_before_the_answer_to(b"INSERT INTO incident_log")
    [stored] = hand_in(far, press())
    await far.step()
    assert link.lost_answers == 1
    assert await fetch(database, "SELECT count(*) FROM alarm") == [0]
    await far.step()
    assert not (await stored).is_repeat
    await one_alarm(database)


# --- no room ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", [AT_THE_STATEMENT, AT_THE_COMMIT], ids=["statement", "commit"])
async def test_alarms_refused_for_lack_of_room_wait_and_are_not_parked(
    engine: Engine, database: Database, trigger: str
) -> None:
    async with database.connection() as connection:
        await connection.execute(NO_ROOM + trigger)
    waiting = hand_in(engine, press("T1"), press("T2"))
    for _ in range(3):
        await engine.step()
    assert not any(each.done() for each in waiting)
    async with database.connection() as connection:
        await connection.execute("DROP TRIGGER no_room ON alarm")
    await engine.step()
    assert [outcome.is_repeat for outcome in await asyncio.gather(*waiting)] == [False, False]
    assert await fetch(database, "SELECT terminal_id, kind FROM alarm ORDER BY terminal_id") == [
        ("T1", "sos"),
        ("T2", "sos"),
    ]
    assert await fetch(database, "SELECT count(*) FROM parked") == [0]


# --- clocks ----------------------------------------------------------------------------------------------------------


async def test_an_answer_lost_after_the_commit_of_a_clock_fires_it_no_second_time(
    far: Engine, database: Database, link: Link, clock: VirtualClock
) -> None:
    [outcome] = await alarms(far, press())
    await clock.advance(61)
    link.cut_before_the_answer_to(b"climbed")
    lost = far.submit(FireDue(opened(outcome)))
    await far.step()
    with pytest.raises(Unreachable):
        await lost
    assert link.lost_answers == 1
    [again] = await do(far, FireDue(opened(outcome)))
    assert again.incident is not None
    assert again.incident.level == 1
    assert await fetch(database, "SELECT count(*) FROM incident_log WHERE code = 'climbed'") == [1]


# --- not leading -----------------------------------------------------------------------------------------------------


async def test_one_that_does_not_lead_stores_presses_and_fires_no_clock(
    database: Database, clock: VirtualClock, policies: Policies
) -> None:
    def term() -> int:
        raise SteppedDown("not_leading")

    engine = Engine(database, clock, policies, term)
    await engine.prepare()
    [outcome] = await alarms(engine, press("T1"))
    fired, [stored] = engine.submit(FireDue(opened(outcome))), hand_in(engine, press("T2"))
    await engine.step()
    with pytest.raises(SteppedDown):
        await fired
    await engine.step()
    assert (await stored).incident is not None
