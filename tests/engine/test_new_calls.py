"""The short way of new calls of quiet homes: what it is open to, and what happens when somebody else is quicker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import pytest

from dispatch.clock import VirtualClock, limit
from dispatch.engine import Engine, Happen, new_calls
from dispatch.engine.ground import Ground
from dispatch.incident import events as ev
from dispatch.incident.policy import Policies
from dispatch.model import Alarm, HomeId, Key, Origin, TerminalId
from dispatch.store.database import Connection, Database

from .conftest import two_at_once
from .test_engine import alarms, do, fetch, opened, press

WITHIN_S = 15
HELD = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted)"
SAME_FOR_H1 = """
INSERT INTO incident (incident_id, subject_id, version, incident_class, subject_kind, origin, kind, band, policy_hash,
    is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at)
SELECT '00000000-0000-7000-8000-000000000001', 'H1', version, incident_class, subject_kind, origin, kind, band,
    policy_hash, is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at
FROM incident WHERE incident_id = $1
"""
WAITING_FOR_A_COMMIT = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted)"
WHO_WAITS_SINCE_WHEN = "SELECT pid, query_start FROM pg_stat_activity WHERE wait_event_type = 'Lock'"


@pytest.fixture
async def beside(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, in which nothing is limited."""
    connection = await asyncpg.connect(dsn)
    yield connection
    await connection.close(timeout=5)


async def test_new_calls_and_all_others_of_one_batch_become_what_they_would_by_themselves(
    engine: Engine, database: Database
) -> None:
    [known] = await alarms(engine, press("T2", "a1"))
    outcomes = await alarms(
        engine,
        press("T2", "a1"),  # a repeat
        press("T1", "a1"),  # a new call of a quiet home
        press("T9", "a1"),  # nobody registered it
        press("T2", "a2", key=Key.FALL),  # joins
        press("T1", "c1", cancel_of="a1"),  # takes back the new one
    )
    assert [outcome.is_repeat for outcome in outcomes] == [True] + [False] * 4
    repeated, new, unknown, joined, cancelled = map(opened, outcomes)
    assert repeated == joined == opened(known)
    assert new == cancelled
    assert len({new, unknown, repeated}) == 3
    assert await fetch(database, "SELECT subject_id FROM incident ORDER BY subject_id") == ["H1", "H2", "terminal:T9"]
    assert await fetch(database, "SELECT cancelled_at IS NOT NULL FROM incident WHERE incident_id = $1", new) == [True]


async def test_two_of_one_home_and_two_of_one_terminal_are_one_incident_each(
    engine: Engine, database: Database
) -> None:
    await fetch(database, "INSERT INTO terminal (terminal_id) VALUES ('T3')")
    await fetch(database, "INSERT INTO terminal_home VALUES ('T3', 'H1', NULL, '2026-01-01', NULL)")
    both = await alarms(engine, press("T1"), press("T3"), press("T2", "a1"), press("T2", "a2"))
    assert opened(both[0]) == opened(both[1]) != opened(both[2]) == opened(both[3])
    assert await fetch(database, "SELECT alarms FROM incident ORDER BY subject_id") == [2, 2]


async def test_a_cancel_that_came_first_is_found(engine: Engine, database: Database) -> None:
    await alarms(engine, press("T1", "c1", cancel_of="a1"))
    await alarms(engine, press("T1", "a1"))
    assert await fetch(database, "SELECT cancelled_at IS NOT NULL FROM incident") == [True]


async def test_who_was_quicker_is_seen_by_the_other_way(
    engine: Engine, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look told yesterday's news: meanwhile that home has an open call, and that alarm is stored."""
    [first] = await alarms(engine, press("T1", "a1"))

    async def all_quiet(_connection: Connection, presses: Sequence[Alarm]) -> dict[TerminalId, HomeId]:
        homes = {"T1": HomeId("H1"), "T2": HomeId("H2")}
        return {each.terminal_id: homes[each.terminal_id] for each in presses}

    monkeypatch.setattr(new_calls, "look_for_new_calls", all_quiet)
    joined, new = await alarms(engine, press("T1", "a2"), press("T2", "a1"))
    assert opened(joined) == opened(first) != opened(new)
    [repeat] = await alarms(engine, press("T2", "a1"))
    assert repeat.is_repeat
    assert await fetch(database, "SELECT count(*) FROM incident_log WHERE code = 'opened'") == [2]


@pytest.fixture
async def hung_twice(database: Database) -> None:
    """T3 hangs in H1 as well."""
    await fetch(database, "INSERT INTO terminal (terminal_id) VALUES ('T3')")
    await fetch(database, "INSERT INTO terminal_home VALUES ('T3', 'H1', NULL, '2026-01-01', NULL)")


@pytest.mark.usefixtures("hung_twice")
async def test_presses_of_one_home_are_taken_in_their_order_whichever_way_is_open_to_each(
    engine: Engine, database: Database
) -> None:
    [first] = await alarms(engine, press("T3", "a1"))
    await do(engine, Happen(opened(first), ev.Closed("op", "false_alarm")))
    await alarms(engine, press("T3", "a1", key=Key.FALL), press("T1", "b1", key=Key.SERVICE))
    assert await fetch(database, "SELECT terminal_id FROM alarm ORDER BY row_id") == ["T3", "T3", "T1"]
    assert await fetch(database, "SELECT kind FROM incident ORDER BY number") == ["sos", "fall"]


def once_locked(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Have something happen when a batch has locked and read all it decides on: once."""
    lock = Ground.lock
    happened: list[object] = []

    async def slow(ground: Ground, connection: Connection) -> None:
        await lock(ground, connection)
        if not happened:
            happened.append(None)
            await meanwhile()

    monkeypatch.setattr(Ground, "lock", slow)


async def test_a_call_by_hand_beside_a_press_of_that_home_is_the_same_call(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = asyncio.ensure_future(engine.run())
    once_locked(monkeypatch, lambda: engine.raise_alarms([press("T1")]))
    async with limit(WITHIN_S):
        by_hand = await engine.open_by_hand("op", Key.SOS, home_id=HomeId("H1"))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert by_hand.ignored == "already_open"
    assert by_hand.incident is not None
    assert by_hand.incident.origin is Origin.TERMINAL


@pytest.mark.usefixtures("hung_twice")
async def test_an_alarm_under_locks_beside_a_new_call_of_another_process_joins_it_and_is_not_parked(
    engine: Engine, database: Database, clock: VirtualClock, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = await alarms(engine, press("T1", "a1"))
    await do(engine, Happen(opened(first), ev.Closed("op", "false_alarm")))
    other = Engine(database, clock, policies)
    once_locked(monkeypatch, lambda: alarms(other, press("T3", "x1")))
    await alarms(engine, press("T1", "a1", key=Key.FALL))
    assert await fetch(database, "SELECT terminal_id, kind FROM alarm ORDER BY row_id") == [
        ("T1", "sos"),
        ("T3", "sos"),
        ("T1", "fall"),
    ]
    assert await fetch(database, "SELECT alarms FROM incident ORDER BY number") == [1, 2]
    assert await fetch(database, "SELECT count(*) FROM parked") == [0]


async def test_two_processes_opening_calls_of_the_same_homes_in_opposite_orders_wait_in_no_circle(
    engine: Engine, database: Database, clock: VirtualClock, policies: Policies
) -> None:
    """Each row takes a moment to go in: written in the order of arrival, each would hold what the other waits for."""
    other = Engine(database, VirtualClock(clock.now(), seed=2), policies)
    await fetch(
        database,
        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END $$",
    )
    await fetch(database, "CREATE TRIGGER slow BEFORE INSERT ON incident FOR EACH ROW EXECUTE FUNCTION slow()")
    there = [press("T1", "x"), press("T2", "x")]
    back = [press("T2", "y"), press("T1", "y")]
    async with limit(WITHIN_S):
        await asyncio.gather(alarms(engine, *there), alarms(other, *back))
    assert await fetch(database, "SELECT alarms FROM incident") == [2, 2]


async def test_the_turn_of_the_log_is_not_held_while_waiting_for_somebody_elses_row(
    engine: Engine, database: Database, beside: asyncpg.Connection
) -> None:
    """Or two processes could wait for each other: one for the row, the other for the turn."""
    [other] = await alarms(engine, press("T2"))
    async with beside.transaction():
        await beside.execute(SAME_FOR_H1, opened(other))
        pressed = asyncio.ensure_future(alarms(engine, press("T1")))
        async with limit(WITHIN_S):
            while not await beside.fetchval(WAITING_FOR_A_COMMIT):
                assert not pressed.done()
        assert not await beside.fetchval(HELD)
    [joined] = await pressed
    assert await fetch(database, "SELECT alarms FROM incident WHERE incident_id = $1", opened(joined)) == [2]


@pytest.fixture
async def two_ways(dsn: str, engine: Engine) -> AsyncIterator[Engine]:
    async with two_at_once(dsn, engine, "new_calls") as running:
        yield running


async def test_a_new_call_waits_for_no_other_but_one_of_the_same_home_does(
    two_ways: Engine, database: Database, beside: asyncpg.Connection
) -> None:
    [other] = await two_ways.raise_alarms([press("T2")])
    await fetch(database, "INSERT INTO home (home_id) VALUES ('H3')")
    await fetch(database, "INSERT INTO terminal (terminal_id) VALUES ('T3'), ('T4')")
    for terminal, home in (("T3", "H3"), ("T4", "H1")):
        await fetch(database, "INSERT INTO terminal_home VALUES ($1, $2, NULL, '2026-01-01', NULL)", terminal, home)
    async with limit(WITHIN_S):
        held = beside.transaction()
        await held.start()
        await beside.execute(SAME_FOR_H1, opened(other))
        first = asyncio.ensure_future(two_ways.raise_alarms([press("T1")]))  # H1's, stands at that row
        while not await beside.fetchval(WAITING_FOR_A_COMMIT):
            assert not first.done()
        [free] = await two_ways.raise_alarms([press("T3")])
        second = asyncio.ensure_future(two_ways.raise_alarms([press("T4"), press("T1", "c1", cancel_of="a1")]))
        await asyncio.sleep(0)
        assert free.incident is not None
        assert not second.done()
        await held.rollback()
        [one], [joined, cancelled] = await first, await second
    assert opened(one) == opened(joined) == opened(cancelled) != opened(free)
    assert await fetch(database, "SELECT count(*) FROM alarm WHERE incident_id IS NULL") == [0]


async def test_a_new_call_waits_for_no_terminal_that_goes_on_and_on(
    two_ways: Engine, database: Database, beside: asyncpg.Connection
) -> None:
    [mad] = await two_ways.raise_alarms([press("T1", "m0")])
    async with limit(WITHIN_S):
        held = beside.transaction()
        await held.start()
        await beside.execute("SELECT FROM incident FOR UPDATE")
        more = asyncio.ensure_future(two_ways.raise_alarms([press("T1", f"m{n}") for n in range(1, 4)]))
        while not await beside.fetchval(WAITING_FOR_A_COMMIT):
            assert not more.done()
        waits = await beside.fetch(WHO_WAITS_SINCE_WHEN)
        [new] = await two_ways.raise_alarms([press("T2")])
        assert (
            await beside.fetch(WHO_WAITS_SINCE_WHEN) == waits
        )  # still in the same statement: it did not give up first
        last = asyncio.ensure_future(two_ways.raise_alarms([press("T1", "c1", cancel_of="m1")]))
        await held.rollback()
        joined = [*await more, *await last]
    assert {opened(each) for each in joined} == {opened(mad)} != {opened(new)}
    told = await fetch(database, "SELECT alarm_id FROM alarm WHERE terminal_id = 'T1' ORDER BY row_id")
    assert told == ["m0", "m1", "m2", "m3", "c1"]


async def test_a_thousand_at_once_with_repeats_and_cancels_are_each_what_they_are(
    two_ways: Engine, database: Database
) -> None:
    await fetch(database, "INSERT INTO home (home_id) SELECT 'F' || n FROM generate_series(1, 1200) AS n")
    await fetch(database, "INSERT INTO terminal (terminal_id) SELECT 'F' || n FROM generate_series(1, 1200) AS n")
    await fetch(
        database,
        "INSERT INTO terminal_home SELECT 'F' || n, 'F' || n, NULL, '2026-01-01', NULL FROM generate_series(1, 1200) n",
    )
    presses = [press(f"F{n}") for n in range(1, 1201)]
    flood = [*presses[:700], *presses[100:120], press("F650", "c", cancel_of="a1"), *presses[650:]]
    async with limit(WITHIN_S * 2):
        outcomes = await two_ways.raise_alarms(flood)
    assert sum(outcome.is_repeat for outcome in outcomes) == 20 + 50
    assert await fetch(database, "SELECT count(*), count(DISTINCT subject_id) FROM incident") == [(1200, 1200)]
    assert await fetch(database, "SELECT subject_id FROM incident WHERE cancelled_at IS NOT NULL") == ["F650"]
    assert await fetch(database, "SELECT count(*) FROM alarm") == [1201]


async def test_a_press_waits_for_no_answer(engine: Engine, beside: asyncpg.Connection) -> None:
    [first] = await alarms(engine, press("T1"))
    running = asyncio.ensure_future(engine.run())
    async with beside.transaction(), limit(WITHIN_S):
        await beside.execute("SELECT FROM incident FOR UPDATE")
        answer = asyncio.ensure_future(engine.happen(opened(first), ev.OperatorAnswered("op")))
        [new] = await engine.raise_alarms([press("T2")])
        assert not answer.done()
    async with limit(WITHIN_S):
        assert (await answer).ignored is None
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert opened(new) != opened(first)


async def test_what_two_lines_did_to_one_incident_is_told_in_its_order(engine: Engine) -> None:
    told: list[int] = []
    engine.listen(lambda committed: told.extend(part.after.version for part in committed.parts))
    [first] = await alarms(engine, press("T1", "a0"))
    running = asyncio.ensure_future(engine.run())
    for n in range(1, 20):
        noted = engine.happen(opened(first), ev.Noted("op", UUID(int=n)))
        await asyncio.gather(noted, engine.raise_alarms([press("T1", f"a{n}")]))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert told == sorted(told)
    assert len(told) >= 20


async def test_an_answer_goes_in_while_alarms_cannot(engine: Engine, database: Database) -> None:
    """An alarm that can neither be stored nor parked keeps its own line waiting, and nobody else."""
    [first] = await alarms(engine, press("T2"))
    await fetch(database, "ALTER TABLE parked ADD CONSTRAINT nothing_goes CHECK (false)")
    await fetch(database, "ALTER TABLE alarm ADD CONSTRAINT not_t1 CHECK (terminal_id <> 'T1')")
    stuck = asyncio.ensure_future(engine.raise_alarms([press("T1")]))
    await asyncio.sleep(0)
    [answered] = await do(engine, Happen(opened(first), ev.OperatorAnswered("op")))
    assert answered.ignored is None
    assert not stuck.done()
    stuck.cancel()
