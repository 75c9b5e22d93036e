"""Readings in day tables, and what is forgotten when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from msgspec.structs import replace

from dispatch.clock import VirtualClock
from dispatch.devices.fields import ID_MAX
from dispatch.model import TerminalId, Vitals
from dispatch.store import vitals
from dispatch.store.database import Database
from dispatch.store.keeper import Keeper
from dispatch.store.partitions import make_parts, parts

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    yield database
    await database.close()


def keeper(database: Database, at: datetime = NOW) -> Keeper:
    tables = ("vitals", "vitals_hour", "home_day", "listening", "parked", "outbox", "fault")
    return Keeper(database, VirtualClock(at), dict.fromkeys(tables, 30))


def reading(at: datetime) -> Vitals:
    return Vitals(TerminalId("t1"), at, at, heart_rate_bpm=71.5, temperature_c=36.6, temperature_site="ear")


async def test_days_are_made_ahead_and_old_ones_dropped(database: Database) -> None:
    await keeper(database).step()
    async with database.connection() as connection:
        assert await parts(connection, vitals.TABLE) == {date(2026, 2, 28) + timedelta(days=n) for n in range(5)}
    await keeper(database, NOW + timedelta(days=31)).step()
    async with database.connection() as connection:
        assert min(await parts(connection, vitals.TABLE)) == date(2026, 3, 2)


async def test_readings_come_back_as_they_went_in(database: Database) -> None:
    await keeper(database).prepare()
    async with database.connection() as connection:
        await vitals.add(connection, [reading(NOW)] * 2)
        rows = await connection.fetch("SELECT * FROM vitals")
    assert [tuple(row.values()) for row in rows] == [
        ("t1", NOW, NOW, 71.5, None, None, None, pytest.approx(36.6), "ear", None)
    ] * 2


FULL = Vitals(TerminalId("终端-1"), NOW, NOW, 0.0, 97.5, 118, 71, 36.6, "腕", 14)
SPARSE = [
    replace(FULL, **{name: None}) for name in FULL.__struct_fields__ if name not in {"terminal_id", "received_at"}
]
ODD_TIMES = [
    replace(FULL, happened_at=at)
    for at in (
        datetime(1999, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2099, 12, 31, 23, 59, 59, 999999, UTC),
        datetime(2026, 3, 1, 20, 0, 0, 1, timezone(timedelta(hours=8))),
    )
]


@pytest.mark.parametrize("told", [FULL, *SPARSE, *ODD_TIMES], ids=str)
async def test_whatever_a_reading_has_or_lacks_it_comes_back_as_it_was(database: Database, told: Vitals) -> None:
    await keeper(database).prepare()
    async with database.connection() as connection:
        await vitals.add(connection, [FULL, told, replace(told, received_at=NOW + timedelta(microseconds=1))])
        rows = await connection.fetch("SELECT * FROM vitals ORDER BY ctid")
    first, second, third = (Vitals(**row) for row in rows)
    near = pytest.approx(36.6, abs=1e-5)
    assert first.temperature_c == near
    assert replace(first, temperature_c=36.6) == FULL
    assert second == replace(told, temperature_c=second.temperature_c)
    assert second.temperature_c == (None if told.temperature_c is None else near)
    assert third == replace(second, received_at=NOW + timedelta(microseconds=1))


async def test_more_different_values_than_are_remembered_come_back_as_they_were(database: Database) -> None:
    await keeper(database).prepare()
    told = [replace(FULL, temperature_c=n / 512) for n in range(30_000)]  # which four bytes hold exactly
    async with database.connection() as connection:
        await vitals.add(connection, told)
        rows = await connection.fetch("SELECT temperature_c FROM vitals ORDER BY ctid")
    assert [row["temperature_c"] for row in rows] == [each.temperature_c for each in told]


async def test_the_longest_id_a_terminal_may_have_is_kept_whole(database: Database) -> None:
    await keeper(database).prepare()
    longest = replace(FULL, terminal_id=TerminalId("\N{MAHJONG TILE EAST WIND}" * ID_MAX))
    async with database.connection() as connection:
        await vitals.add(connection, [longest])
        assert await connection.fetchval("SELECT terminal_id FROM vitals") == longest.terminal_id


async def test_a_day_that_nobody_made_is_made_when_it_is_needed(database: Database) -> None:
    long_ago = NOW - timedelta(days=3000)
    async with database.connection() as connection:
        await vitals.add(connection, [reading(NOW), reading(long_ago)])
        assert await connection.fetchval("SELECT count(*) FROM vitals") == 2
        assert await parts(connection, vitals.TABLE) == {NOW.date(), long_ago.date()}


async def test_two_may_make_the_same_day_and_it_has_the_index_of_the_others(database: Database) -> None:
    async with database.connection() as one, database.connection() as other:
        first = one.transaction()
        await first.start()
        await make_parts(one, vitals.TABLE, [NOW.date()])
        missing_for_other = await parts(other, vitals.TABLE)
        await first.commit()
        assert missing_for_other == set()
        assert await make_parts(other, vitals.TABLE, [NOW.date()]) == []
        names = await one.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'vitals_20260301'")
    assert "(terminal_id, received_at)" in names[0]["indexdef"]


async def test_many_may_make_the_same_days_at_the_same_time(database: Database) -> None:
    days = {NOW.date() - timedelta(days=2000 + n) for n in range(30)}

    async def make() -> None:
        async with database.connection() as connection:
            await make_parts(connection, vitals.TABLE, days)

    await asyncio.gather(*(make() for _ in range(4)))
    async with database.connection() as connection:
        assert days <= await parts(connection, vitals.TABLE)


async def test_what_was_kept_long_enough_is_forgotten_and_nothing_else(database: Database) -> None:
    old, fresh = NOW - timedelta(days=31), NOW - timedelta(days=29)
    async with database.connection() as connection:
        for at in (old, fresh):
            await connection.execute("INSERT INTO parked VALUES (gen_random_uuid(), 't', '', 'r', 'd', $1)", at)
            await connection.execute("INSERT INTO fault VALUES ('t', 'f', 'tamper', true, NULL, $1)", at)
            for state, ended_at in (("queued", None), ("sent", at)):
                await connection.execute(
                    "INSERT INTO outbox (outbox_id, channel, recipient, message, body, created_at, expires_at, state,"
                    " ended_at) VALUES (gen_random_uuid(), 'c', 'r', 'm', '{}', $1, $1, $2, $3)",
                    *(at, state, ended_at),
                )
    await keeper(database).step()
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT array_agg(received_at) FROM parked") == [fresh]
        assert await connection.fetchval("SELECT array_agg(received_at) FROM fault") == [fresh]
        assert await connection.fetchval("SELECT count(*) FROM outbox WHERE state = 'queued'") == 2
        assert await connection.fetchval("SELECT array_agg(ended_at) FROM outbox WHERE state = 'sent'") == [fresh]


# --- read without doubles --------------------------------------------------------------------------------------------


def told(at: datetime, received_at: datetime | None = None, terminal: str = "t1", **values: Any) -> Vitals:
    return Vitals(TerminalId(terminal), received_at or at, at, **(values or {"heart_rate_bpm": 70.0}))


async def test_the_last_day_is_read_in_order_with_late_ones_and_without_doubles(database: Database) -> None:
    since = NOW - timedelta(days=1)
    minute = timedelta(minutes=1)
    late = told(since + minute, NOW - minute, heart_rate_bpm=50.0)
    older = told(since - minute, NOW - minute)
    ahead = told(NOW + timedelta(hours=9), NOW - 2 * minute, heart_rate_bpm=90.0)
    never_set = told(NOW - timedelta(days=800), NOW - 3 * minute, heart_rate_bpm=91.0)
    at_once = [told(NOW - 5 * minute, heart_rate_bpm=71.0), told(NOW - 5 * minute, heart_rate_bpm=72.0)]
    again = [told(NOW - 5 * minute, NOW - 4 * minute, heart_rate_bpm=71.0), told(NOW, terminal="t2")]
    async with database.connection() as connection:
        await vitals.add(connection, [never_set, *again, late, older, ahead, *at_once])
        found = await vitals.of_terminals(connection, ["t1"], since, NOW, 100)
        assert [each.heart_rate_bpm for each in found[:2]] == [90, 91]
        assert {each.heart_rate_bpm for each in found[2:4]} == {71, 72}
        assert found[4:] == [late]
        assert await vitals.of_terminals(connection, ["t1"], since, NOW, 1) == found[:1]


async def test_whom_a_terminal_measures(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("""
            INSERT INTO home (home_id) VALUES ('alone'), ('two');
            INSERT INTO elder (elder_id, name) VALUES ('e1', ''), ('e2', ''), ('e3', ''), ('e4', '');
            INSERT INTO resident VALUES ('alone', 'e1', '2026-01-01', NULL), ('two', 'e2', '2026-01-01', NULL),
                ('two', 'e3', '2026-01-01', NULL), ('alone', 'e4', '2025-01-01', '2026-01-01');
            INSERT INTO terminal (terminal_id) VALUES ('t1'), ('t2'), ('t3'), ('t4');
            INSERT INTO terminal_home VALUES ('t1', 'alone', NULL, '2026-01-01', NULL),
                ('t2', 'two', NULL, '2026-01-01', NULL), ('t3', 'two', 'e3', '2026-01-01', NULL),
                ('t4', 'alone', 'e1', '2025-01-01', '2026-01-01');
        """)
        assert await vitals.terminals_of_elders(connection, ["e1", "e2", "e3", "e4"]) == {"e1": ["t1"], "e3": ["t3"]}
