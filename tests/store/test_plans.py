"""How PostgreSQL goes about the statements that run all day, on tables of some thousands of rows."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from dispatch.store.database import PLANNED_ONCE, statements
from dispatch.store.partitions import Parted, make_parts
from simulator.servers import PostgresServer

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
CALLS_AND_MESSAGES = {"incident", "assignment", "alarm", "outbox", "incident_log", "note", "ranking"}
GROWING = CALLS_AND_MESSAGES | {"home", "terminal", "terminal_home", "contact", "resident"}
"""Tables that grow with the town or with time: reading one from end to end stops everybody, one day."""

TOWN = """
INSERT INTO policy VALUES ('p', '{}', '2026-01-01');
INSERT INTO station VALUES ('S1', 'Station One', 24.48, 118.1);
INSERT INTO home (home_id, station_id) SELECT 'H' || n, 'S1' FROM generate_series(1, 5000) AS n;
INSERT INTO terminal (terminal_id) SELECT 'T' || n FROM generate_series(1, 5000) AS n;
INSERT INTO terminal_home SELECT 'T' || n, 'H' || n, NULL, '2026-01-01', NULL FROM generate_series(1, 5000) AS n;
INSERT INTO contact SELECT home_id, 1, '', '', '1', false FROM home;
INSERT INTO elder (elder_id, name) SELECT home_id, '' FROM home;
INSERT INTO resident SELECT home_id, home_id, '2026-01-01', NULL FROM home;
INSERT INTO worker (worker_id, name, station_id, travel)
    SELECT 'W' || n, 'Worker', 'S1', 'walk' FROM generate_series(1, 200) AS n;
"""
READINGS = """
INSERT INTO vitals (terminal_id, happened_at, received_at, heart_rate_bpm)
SELECT 'T' || n % 500, at, at, 60 + n % 30
FROM (SELECT n, '2026-03-01'::timestamptz + n * '5 s'::interval AS at FROM generate_series(0, 86399) AS n) AS told;
INSERT INTO vitals_hour
SELECT 'T' || n % 500, '2026-03-01'::timestamptz + n / 500 * '1 hour'::interval, 1, 60, 60, 60, 60, 0, NULL, NULL, NULL,
    NULL, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL
FROM generate_series(0, 59999) AS n;
INSERT INTO home_day
SELECT '2026-03-01'::date + day, home_id, 1, '2026-03-01' FROM home, generate_series(0, 4) AS day;
"""
FIVE_DAYS = [(START + timedelta(days=n)).date() for n in range(5)]
CALLS = """
INSERT INTO incident (incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band, policy_hash,
    is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at, closed_at,
    outcome)
SELECT lpad(to_hex(n), 32, '0')::uuid, 1, 'care', 'home', 'H' || n, 'terminal', 'sos', 0, 'p', false,
    CASE WHEN open THEN 'waiting' ELSE 'closed' END, 0, open::int, false, 1, 0, 1, 1, '[]', at,
    CASE WHEN open THEN at + '1 min'::interval END, CASE WHEN open THEN NULL ELSE at + '1 hour'::interval END,
    CASE WHEN open THEN NULL ELSE 'assisted' END
FROM (SELECT n, n % 100 = 0 AS open, '2026-01-01'::timestamptz + n * '10 min'::interval AS at
      FROM generate_series(1, 5000) AS n) AS call;
INSERT INTO assignment (assignment_id, incident_id, worker_id, state, eta_s, offered_by, skills, overdue, offered_at,
    ended_at, end_reason)
SELECT incident_id, incident_id, 'W' || number % 200 + 1, 'finished', 60, 'service', '{}', 0, opened_at, opened_at, 'x'
FROM incident;
INSERT INTO alarm (row_id, terminal_id, alarm_id, digest, kind, origin, received_at, incident_id, is_test, is_known)
SELECT incident_id, 'T' || number, 'a1', '\\x00', 'sos', 'terminal', opened_at, incident_id, false, true
FROM incident;
INSERT INTO outbox (outbox_id, channel, recipient, message, incident_id, offer_id, body, created_at, expires_at, state,
    ended_at)
SELECT incident_id, 'worker', 'W1', 'offer', incident_id, incident_id, '{}', opened_at, opened_at,
    CASE WHEN closed_at IS NULL THEN 'queued' ELSE 'sent' END, closed_at
FROM incident;
INSERT INTO note SELECT incident_id, incident_id, opened_at, 'op', '' FROM incident;
INSERT INTO ranking SELECT incident_id, opened_at, '[]', '{}' FROM incident;
INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
SELECT incident_id, opened_at, 'opened', 'service', 'waiting', 0, 0, '{}' FROM incident;
"""

SOME = [UUID(int=100), UUID(int=101)]
LATE = START + timedelta(days=365)
HOT: dict[str, tuple[Any, ...]] = {
    "incidents.lock_homes_of_terminals": (["T1", "T2"],),
    "incidents.lock_homes": (["H1", "H2"],),
    "incidents.look_at_terminals": (["T1", "T2"], ["a1", "a9"]),
    "incidents.alarms_like": (["T1", "T2"], ["a1", "a2"]),
    "incidents.lock_incidents": (["care"], ["home"], ["H100"], SOME),
    "incidents.read_incidents": (SOME,),
    "incidents.live_of_workers": (["W1"],),
    "incidents.due": (LATE, 50),
    "incidents.next_due": (),
    "roster.door": (SOME[0],),
    "roster.waiting": (20, True),
    "outbox.queued": (LATE, 100),
    "outbox.oldest_queued": (),
    "outbox.void_offers": (SOME, "withdrawn", LATE),
    "outbox.finish": (SOME, ["sent", "sent"], [None, None], [1, 1], LATE),
    "people.registered": (["T1"],),
    "people.open_calls_of": (["T1"],),
    "viewing.last_seq": (),
    "viewing.changed_since": (4990, 5000),
    "viewing.incidents_on_board": (LATE,),
    "viewing.timeline": (SOME[0],),
    "viewing.notes_of_incident": (SOME[0],),
    "viewing.last_ranking": (SOME[0],),
    "viewing.homes_by_id": (["H1"],),
    "viewing.residents_of_homes": (["H1"], LATE, ["T1"]),
    "viewing.contacts_of_homes": (["H1"],),
    "viewing.workers_by_id": (["W1"],),
    "viewing.last_parts_of_workers": (["W1"], LATE),
    "viewing.graver_at": (SOME,),
    "viewing.open_calls_of_homes": (["H1"],),
    "watching.look": (),
    "vitals.terminals_of_elders": (["H1", "H2"],),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def filled(postgres: PostgresServer, template: str) -> AsyncIterator[str]:
    """A town with a month of calls behind it and fifty open ones; only looked at."""
    name = "test_plans"
    dsn = await postgres.create_database(name, template)
    connection = await asyncpg.connect(dsn, timeout=10)
    await make_parts(connection, Parted("vitals"), FIVE_DAYS)
    await make_parts(connection, Parted("vitals_hour", by_month=True), FIVE_DAYS)
    await connection.execute(TOWN + CALLS + READINGS + "ANALYZE;")
    await connection.close(timeout=5)
    yield dsn
    await postgres.drop_database(name)


@pytest_asyncio.fixture
async def connection(filled: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(filled, timeout=10, server_settings={"jit": "off"})
    yield connection
    await connection.close(timeout=5)


@pytest_asyncio.fixture
async def empty_town(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """Nobody lives here yet, and no statistics are made by themselves."""
    connection = await asyncpg.connect(dsn, timeout=10, server_settings={"jit": "off"})
    for table in sorted(GROWING):
        await connection.execute(f"ALTER TABLE {table} SET (autovacuum_enabled = off)")
    yield connection
    await connection.close(timeout=5)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def read_whole(explained: str) -> set[str]:
    """The growing tables that a plan (EXPLAIN in JSON) reads from end to end."""
    [top] = json.loads(explained)
    return {
        node["Relation Name"]
        for node in nodes(top["Plan"])
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in GROWING
    }


def hot(name: str) -> str:
    noun, _, statement = name.partition(".")
    return statements(noun)[statement]


@pytest.mark.parametrize("name", HOT)
async def test_no_hot_statement_reads_a_growing_table_whole(connection: asyncpg.Connection[Any], name: str) -> None:
    explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {hot(name)}", *HOT[name])
    assert not read_whole(explained), explained


@pytest.mark.parametrize("name", [*HOT, "incidents.update_incidents"])
async def test_nor_does_its_plan_for_any_values(connection: asyncpg.Connection[Any], name: str) -> None:
    """After five executions PostgreSQL may settle on a plan that does not look at the values."""
    await connection.execute("SET plan_cache_mode = force_generic_plan")
    await connection.execute(f"PREPARE hot AS {hot(name)}")
    values = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", hot(name))))
    explained = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE hot {f'({values})' if values else ''}")
    assert not read_whole(explained), explained


async def test_clocks_lock_incidents_in_the_order_of_their_rows(connection: asyncpg.Connection[Any]) -> None:
    """One after the other by an index: any other join could lock two in another order than who locks them by id."""
    for name, value in PLANNED_ONCE.items():
        await connection.execute(f"SET {name} = {value}")
    await connection.execute(f"PREPARE hot AS {hot('incidents.update_incidents')}")
    [top] = json.loads(await connection.fetchval("EXPLAIN (FORMAT JSON) EXECUTE hot (NULL)"))
    [join] = [node for node in nodes(top["Plan"]) if "Join Type" in node]
    rows, looked_up = join["Plans"]
    assert (join["Node Type"], rows["Node Type"]) == ("Nested Loop", "Function Scan")
    assert looked_up["Relation Name"] == "incident"


LAST_DAY = (["T1", "T2"], START + timedelta(days=1), START + timedelta(days=2), 500)
HOUR_OF_SOME = (["T1", "T2"], START, START + timedelta(hours=1), *([[1.0] * 6, [2.0] * 6]), ["wrist"], START)


def scans(explained: str) -> dict[str, str]:
    """How each table, or part of one, is read."""
    [top] = json.loads(explained)
    return {node["Relation Name"]: node["Node Type"] for node in nodes(top["Plan"]) if "Relation Name" in node}


@pytest.mark.parametrize("plans", ["force_custom_plan", "force_generic_plan"])
async def test_an_elders_last_day_is_looked_up_in_the_days_tables_it_lies_in_and_no_other(
    connection: asyncpg.Connection[Any], plans: str
) -> None:
    """Whatever 100 million rows there are besides: an index's way to two terminals in three of five tables."""
    await connection.execute(f"SET plan_cache_mode = {plans}")
    statement = await connection.prepare(f"EXPLAIN (FORMAT JSON, ANALYZE, TIMING OFF) {hot('vitals.of_terminals')}")
    explained = await statement.fetchval(*LAST_DAY)
    read = scans(explained)
    assert set(read) == {"vitals_20260302", "vitals_20260303", "vitals_20260304"}, explained
    assert "Seq Scan" not in read.values(), explained
    [top] = json.loads(explained)
    assert top["Plan"]["Actual Rows"] == 68


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("hours.sum_up", HOUR_OF_SOME),
        ("hours.next_terminals", ("T1", 5, START, START + timedelta(hours=16))),
        ("hours.heard", HOUR_OF_SOME[:3]),
        ("hours.days_of_terminals", (["T1"], START, START + timedelta(days=5), "UTC")),
    ],
)
async def test_summing_up_reads_no_table_of_readings_whole(
    connection: asyncpg.Connection[Any], name: str, values: tuple[Any, ...]
) -> None:
    for plans in ("force_custom_plan", "force_generic_plan"):
        await connection.execute(f"SET plan_cache_mode = {plans}")
        statement = await connection.prepare(f"EXPLAIN (FORMAT JSON) {hot(name)}")
        explained = await statement.fetchval(*values)
        assert "Seq Scan" not in {how for table, how in scans(explained).items() if "2026" in table}, explained


async def test_the_look_at_a_new_call_goes_by_an_index_though_planned_when_there_was_nothing(
    empty_town: asyncpg.Connection[Any],
) -> None:
    """A service that runs while the register is imported keeps its plans for a minute; a press is worth no minute."""
    for name, value in PLANNED_ONCE.items():
        await empty_town.execute(f"SET {name} = {value}")
    await empty_town.execute(f"PREPARE look AS {hot('incidents.look_at_terminals')}")
    await empty_town.fetch("EXECUTE look (ARRAY['T1'], ARRAY['a1'])")
    await empty_town.execute(TOWN + CALLS)
    [top] = json.loads(await empty_town.fetchval("EXPLAIN (FORMAT JSON) EXECUTE look (NULL, NULL)"))
    looked_up = [node for node in nodes(top["Plan"]) if node.get("Index Name")]
    assert len(looked_up) >= 4
    assert all("Index Cond" in node for node in looked_up), looked_up


async def test_reading_whole_is_noticed(connection: asyncpg.Connection[Any]) -> None:
    explained = await connection.fetchval("EXPLAIN (FORMAT JSON) SELECT count(*) FROM alarm WHERE kind = 'fall'")
    assert read_whole(explained) == {"alarm"}
