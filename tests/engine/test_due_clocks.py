"""The short way of clocks that have run out: what takes it, and what happens when something changes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import datetime

import pytest
import pytest_asyncio

from dispatch.clock import VirtualClock, limit
from dispatch.engine import Committed, Engine, FireDue, Happen, batch, committer
from dispatch.engine.ground import Ground
from dispatch.errors import NotFound, SteppedDown
from dispatch.incident import events as ev
from dispatch.incident.decide import Decision, decide
from dispatch.incident.policy import Policies
from dispatch.incident.states import Incident
from dispatch.model import IncidentId
from dispatch.store import incidents as store
from dispatch.store.database import Connection, Database
from dispatch.store.incidents import PolicyShelf

from .conftest import two_at_once
from .test_engine import alarms, do, fetch, opened, pick, press

WITHIN_S = 15
RUNS_OUT_S = 61
"""Longer than a pressed key's answer clock."""
CODES = "SELECT code FROM incident_log WHERE code <> 'opened' ORDER BY seq"
LEVELS = "SELECT level FROM incident ORDER BY number"
CLIMBED = "SELECT count(*) FROM incident_log WHERE code = 'climbed'"


def once_read(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[object]]) -> None:
    """Have something happen when a batch of clocks has read what it decides on: once."""
    read = store.read_incidents
    happened: list[object] = []

    async def slow(connection: Connection, shelf: PolicyShelf, ids: Iterable[IncidentId]) -> list[Incident]:
        incidents = await read(connection, shelf, ids)
        if not happened:
            happened.append(None)
            await meanwhile()
        return incidents

    monkeypatch.setattr(store, "read_incidents", slow)


def no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever takes the long way fail."""

    async def refuse(_ground: Ground, _connection: Connection) -> None:
        raise AssertionError("the long way was taken")

    monkeypatch.setattr(Ground, "lock", refuse)


@pytest_asyncio.fixture
async def other_process(dsn: str, clock: VirtualClock, policies: Policies) -> AsyncIterator[Engine]:
    database = Database(dsn)
    yield Engine(database, clock, policies)
    await database.close()


@pytest.fixture
async def two_ways(dsn: str, engine: Engine) -> AsyncIterator[Engine]:
    async with two_at_once(dsn, engine, "due_clocks") as running:
        yield running


async def test_a_clock_fires_without_locks_and_says_so_once(
    engine: Engine, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    [outcome] = await alarms(engine, press())
    heard: list[Committed] = []
    engine.listen(heard.append)
    no_lock(monkeypatch)
    await clock.advance(RUNS_OUT_S)
    for _ in range(2):
        await do(engine, FireDue(opened(outcome)))
    assert await fetch(database, CLIMBED) == [1]
    assert [len(committed.parts) for committed in heard] == [1, 0]


async def test_an_offer_lapses_without_locks(
    engine: Engine, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    [outcome] = await alarms(engine, press())
    await do(engine, Happen(opened(outcome), ev.WorkersChosen((pick(clock, "W1"),))))
    heard: list[Committed] = []
    engine.listen(heard.append)
    no_lock(monkeypatch)
    await clock.advance(31)
    await do(engine, FireDue(opened(outcome)))
    messages = [message.id for committed in heard for message in committed.messages]
    assert await fetch(database, "SELECT outbox_id FROM outbox WHERE message = 'withdraw'") == messages != []
    assert await fetch(database, "SELECT state FROM assignment") == ["lapsed"]
    assert await fetch(database, "SELECT state FROM outbox WHERE message = 'offer'") == ["void"]


async def test_no_such_incident_is_said_and_stops_no_other(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    [outcome] = await alarms(engine, press())
    await clock.advance(RUNS_OUT_S)
    unknown, known = engine.submit(FireDue(IncidentId(clock.new_id()))), engine.submit(FireDue(opened(outcome)))
    await engine.step()
    with pytest.raises(NotFound):
        await unknown
    assert (await known).incident is not None
    assert await fetch(database, LEVELS) == [1]


async def test_an_answer_given_elsewhere_in_the_same_moment_counts(
    engine: Engine,
    other_process: Engine,
    database: Database,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second = map(opened, await alarms(engine, press("T1"), press("T2")))
    await clock.advance(RUNS_OUT_S)
    once_read(monkeypatch, lambda: do(other_process, Happen(first, ev.OperatorAnswered("op"))))
    await do(engine, FireDue(first), FireDue(second))
    whys = "SELECT facts->>'why' FROM incident_log WHERE code = 'climbed' AND incident_id = $1"
    assert await fetch(database, whys, first) == ["nobody_coming"]
    assert await fetch(database, whys, second) == ["unanswered"]
    assert await fetch(database, "SELECT answered_by, version FROM incident ORDER BY number") == [("op", 3), (None, 2)]


async def test_a_call_closed_elsewhere_in_the_same_moment_stays_closed(
    engine: Engine,
    other_process: Engine,
    database: Database,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [outcome] = await alarms(engine, press())
    await clock.advance(RUNS_OUT_S)
    once_read(monkeypatch, lambda: do(other_process, Happen(opened(outcome), ev.Closed("op", "false_alarm"))))
    [fired] = await do(engine, FireDue(opened(outcome)))
    assert fired.incident is not None
    assert fired.incident.outcome == "false_alarm"
    assert await fetch(database, CODES) == ["closed"]


async def test_a_lease_lost_in_the_same_moment_writes_nothing(
    database: Database, clock: VirtualClock, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fetch(database, "INSERT INTO lease VALUES (1, 'one', 0, '2026-03-01')")
    leader = Engine(database, clock, policies, lambda: 1)
    await leader.prepare()
    [outcome] = await alarms(leader, press())
    await clock.advance(RUNS_OUT_S)
    once_read(monkeypatch, lambda: fetch(database, "UPDATE lease SET term = 2, holder = 'two'"))
    fired = leader.submit(FireDue(opened(outcome)))
    await leader.step()
    with pytest.raises(SteppedDown):
        await fired
    assert await fetch(database, "SELECT level, version FROM incident") == [(0, 1)]
    assert await fetch(database, CODES) == []


async def test_a_leader_fires_without_locks_under_its_term(
    database: Database, clock: VirtualClock, policies: Policies, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fetch(database, "INSERT INTO lease VALUES (7, 'one', 0, '2026-03-01')")
    leader = Engine(database, clock, policies, lambda: 7)
    await leader.prepare()
    [outcome] = await alarms(leader, press())
    no_lock(monkeypatch)
    await clock.advance(RUNS_OUT_S)
    await do(leader, FireDue(opened(outcome)))
    assert await fetch(database, LEVELS) == [1]


async def test_what_happens_here_meanwhile_waits_and_is_told_in_its_order(
    two_ways: Engine, engine: Engine, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    [outcome] = await alarms(engine, press())
    told: list[int] = []
    two_ways.listen(lambda committed: told.extend(part.after.version for part in committed.parts))
    answers: list[asyncio.Future[object]] = []

    async def click() -> None:
        answers.append(asyncio.ensure_future(two_ways.happen(opened(outcome), ev.OperatorAnswered("op"))))
        for _ in range(300):  # time enough to be committed, were it not to wait
            await fetch(database, CLIMBED)
        assert not answers[0].done()

    await clock.advance(RUNS_OUT_S)
    once_read(monkeypatch, click)
    async with limit(WITHIN_S):
        await two_ways.submit(FireDue(opened(outcome)))
        await answers[0]
    assert told == [2, 3]
    assert await fetch(database, CODES) == ["climbed", "operators_told", "operator_answered"]


async def test_clocks_of_many_batches_fire_once_each_two_at_a_time(
    two_ways: Engine, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "BATCH_MAX", 20)
    ids = [opened(outcome) for outcome in await two_ways.raise_alarms(press(f"G{n}") for n in range(150))]
    told: list[IncidentId] = []
    two_ways.listen(lambda committed: told.extend(part.after.id for part in committed.parts))
    no_lock(monkeypatch)
    await clock.advance(RUNS_OUT_S)
    async with limit(WITHIN_S):
        assert not [each for each in await two_ways.fire_due(ids) if isinstance(each, BaseException)]
    assert sorted(told) == sorted(ids)
    assert await fetch(database, CLIMBED) == [150]


async def test_one_clock_in_two_batches_at_once_fires_once(
    two_ways: Engine, engine: Engine, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committer, "BATCH_MAX", 1)
    [outcome] = await alarms(engine, press())
    await clock.advance(RUNS_OUT_S)
    async with limit(WITHIN_S):
        await two_ways.fire_due([opened(outcome)] * 6)
    assert await fetch(database, CLIMBED) == [1]


@pytest.mark.parametrize("poison", ["the_rules", "the_database"])
async def test_one_that_cannot_be_fired_stops_no_other_of_its_batch(
    engine: Engine, database: Database, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    first, second, third = map(opened, await alarms(engine, press("T1"), press("T2"), press("T3")))

    def stumble(incident: Incident, event: ev.Event, now: datetime) -> Decision:
        if incident.id == second:
            raise ValueError("not in the rules")
        return decide(incident, event, now)

    if poison == "the_rules":
        monkeypatch.setattr(batch, "decide", stumble)
    else:
        await fetch(database, "ALTER TABLE incident ADD CONSTRAINT stuck CHECK (subject_id <> 'H2' OR level = 0)")
    await clock.advance(RUNS_OUT_S)
    fired = [engine.submit(FireDue(each)) for each in (first, second, third)]
    await engine.step()
    outcomes = await asyncio.gather(*fired, return_exceptions=True)
    assert [isinstance(each, BaseException) for each in outcomes] == [False, True, False]
    assert await fetch(database, LEVELS) == [1, 0, 1]
