"""The checks find what is broken: each rule is broken once, in a database whose own guards were taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from simulator.checks import violations
from simulator.tally import Account, failures, tally

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

SCENE = """
    INSERT INTO station (station_id, name, lat, lon) VALUES ('s', 's', 24, 118);
    INSERT INTO worker (worker_id, name, station_id, travel) VALUES ('w1', 'w', 's', 'walk'), ('w2', 'w', 's', 'walk');
    INSERT INTO policy (hash, content, stored_at) VALUES ('p', '{}', '2026-03-01T12:00:00Z');
"""
INCIDENT = """
    INSERT INTO incident (incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band,
        policy_hash, is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at,
        due_at)
    VALUES ($1, 1, 'care', 'home', $2, 'operator', 'sos', 0, 'p', false, $3, 0, 0, false, 1, 0, 1, 1, '[]', $4, $5)
"""
LOG = """
    INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
    VALUES ($1, $2, $3, 'x', $4, 0, $5, '{}')
"""
ASSIGNMENT = """
    INSERT INTO assignment (assignment_id, incident_id, worker_id, state, eta_s, offered_by, skills, overdue,
        offered_at, due_at)
    VALUES ($1, $2, $3, 'offered', 60, 'router', '{}', 0, $4, $4)
"""
OUTBOX = """
    INSERT INTO outbox (outbox_id, channel, recipient, message, offer_id, body, created_at, expires_at)
    VALUES ($1, 'worker', 'w1', 'offer', $2, '{}', $3, $4)
"""
ONE, TWO = UUID(int=1), UUID(int=2)
DROPPED = (
    "ALTER TABLE incident DROP CONSTRAINT open_has_due_at",
    "DROP INDEX incident_one_open",
    "DROP INDEX assignment_one_live",
    "ALTER TABLE outbox DROP CONSTRAINT queued_is_open",
)
Connection = asyncpg.Connection


@pytest_asyncio.fixture
async def rows(dsn: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(dsn)
    await connection.execute(SCENE)
    yield connection
    await connection.close()


async def opened(rows: Connection, incident_id: UUID, home: str, state: str = "waiting") -> None:
    await rows.execute(INCIDENT, incident_id, home, state, NOW, NOW + timedelta(seconds=60))
    await rows.execute(LOG, incident_id, NOW, "opened", state, 0)


async def test_a_sound_database_has_nothing_to_complain_of(rows: Connection) -> None:
    await opened(rows, ONE, "h1")
    assert await violations(rows, NOW) == []


async def test_each_broken_rule_is_named(rows: Connection) -> None:
    for statement in DROPPED:
        await rows.execute(statement)
    await opened(rows, ONE, "h1")
    await opened(rows, TWO, "h1")
    await rows.execute("UPDATE incident SET due_at = NULL WHERE incident_id = $1", TWO)
    await rows.execute(ASSIGNMENT, UUID(int=11), ONE, "w1", NOW)
    await rows.execute(ASSIGNMENT, UUID(int=12), TWO, "w1", NOW)
    await rows.execute(OUTBOX, UUID(int=21), UUID(int=11), NOW, NOW + timedelta(seconds=30))
    await rows.execute(LOG, ONE, NOW, "climbed", "waiting", 2)
    await rows.execute(LOG, ONE, NOW, "noted", "closed", 1)
    await rows.execute(LOG, ONE, NOW, "noted", "waiting", 1)
    broken = await violations(rows, NOW + timedelta(minutes=5))
    rules = {line.split(":")[0] for line in broken}
    assert rules == {"1", "2", "3", "4", "5", "7", "an incident's state is the furthest of its live assignments"}
    assert len([line for line in broken if line.startswith("7")]) == 2
    assert len([line for line in broken if line.startswith("5")]) == 2


@pytest.mark.parametrize("is_served", [True, False])
async def test_lateness_counts_only_while_somebody_dispatches(rows: Connection, is_served: bool) -> None:
    await opened(rows, ONE, "h1")
    assert bool(await violations(rows, NOW + timedelta(minutes=5), is_served=is_served)) is is_served


async def test_a_press_that_is_nowhere_is_lost_and_one_in_two_incidents_is_doubled(rows: Connection) -> None:
    await opened(rows, ONE, "h1")
    await opened(rows, TWO, "h2")
    alarm = """
        INSERT INTO alarm (row_id, terminal_id, alarm_id, digest, kind, origin, received_at, incident_id,
            is_test, is_known)
        VALUES ($1, 't1', $2, $3, 'sos', 'terminal', $4, $5, false, true)"""
    await rows.execute(alarm, UUID(int=31), "good", b"1", NOW, ONE)
    await rows.execute(alarm, UUID(int=32), "twice", b"2", NOW, ONE)
    await rows.execute(alarm, UUID(int=33), "twice", b"3", NOW, TWO)
    presses = {("t1", "good"), ("t1", "twice"), ("t1", "gone")}
    account = Account(presses=presses, others=set(), stored={("t1", "good"), ("t1", "ghost")}, fallen_back=0)
    result, lines = await tally(rows, account, [], NOW)
    assert (result.pressed, result.stored, result.lost, result.duplicates) == (3, 1, 2, 1)
    assert sorted(lines) == ["doubled: t1 twice", "lost: t1 ghost", "lost: t1 gone"]
    assert "lost is 2, must be 0" in failures(result)
