"""Hourly figures: made from what was told, right in the end however it came, kept longer than the readings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from dispatch.clock import VirtualClock
from dispatch.health.baseline import Day
from dispatch.model import TerminalId, Vitals
from dispatch.store import hours, vitals
from dispatch.store.database import Connection, Database
from dispatch.store.hours import Hours
from dispatch.store.keeper import Keeper

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    yield database
    await database.close()


def told(at: datetime, received_at: datetime | None = None, terminal: str = "t1", **values: Any) -> Vitals:
    return Vitals(TerminalId(terminal), received_at or at, at, **(values or {"heart_rate_bpm": 70.0}))


async def keep(database: Database, *readings: Vitals) -> None:
    async with database.connection() as connection:
        await vitals.add(connection, readings)


async def figures(database: Database, name: str = "heart_rate_bpm") -> list[tuple[Any, ...]]:
    """Terminal, hour, how many, least, mean, middle and most of one parameter."""
    columns = ", ".join(f"{name}_{part}" for part in ("n", "low", "mean", "middle", "high"))
    async with database.connection() as connection:
        rows = await connection.fetch(f"SELECT terminal_id, hour_at, {columns} FROM vitals_hour ORDER BY 1, 2")
    return [tuple(row) for row in rows]


async def test_an_hour_is_summed_up_when_it_is_over_and_settled(database: Database) -> None:
    values = (60.0, 64.0, 95.0)
    await keep(database, *(told(NOON + n * MINUTE, heart_rate_bpm=value) for n, value in enumerate(values)))
    await Hours(database, VirtualClock(NOON + HOUR + 4 * MINUTE)).step()
    assert await figures(database) == []
    await Hours(database, VirtualClock(NOON + HOUR + 5 * MINUTE)).step()
    assert await figures(database) == [("t1", NOON, 3, 60, 73, 64, 95)]


async def test_doubled_late_and_disordered_readings_are_right_in_the_end(database: Database) -> None:
    first = [told(NOON + n * MINUTE, heart_rate_bpm=60.0 + n) for n in range(4)]
    again = told(first[0].received_at, NOON + 90 * MINUTE, heart_rate_bpm=60.0)
    late = told(NOON + 30 * MINUTE, NOON + DAY + 3 * HOUR, heart_rate_bpm=104.0)
    clock = VirtualClock(NOON + 2 * HOUR + 10 * MINUTE)
    summing = Hours(database, clock)
    await keep(database, *reversed(first), first[2], again)
    await summing.step()
    assert await figures(database) == [("t1", NOON, 4, 60, 61.5, 61.5, 63)]
    await keep(database, late, late)
    await clock.advance_to(NOON + DAY + 4 * HOUR + 10 * MINUTE)
    await summing.step()
    assert await figures(database) == [("t1", NOON, 5, 60, 70, 62, 104)]
    await Hours(database, clock).step()
    assert await figures(database) == [("t1", NOON, 5, 60, 70, 62, 104)]


async def test_what_was_stored_after_its_hour_was_summed_up_is_found_by_the_next_leader(database: Database) -> None:
    clock = VirtualClock(NOON + HOUR + 10 * MINUTE)
    await keep(database, told(NOON))
    await Hours(database, clock).step()
    await keep(database, told(NOON + MINUTE, heart_rate_bpm=80.0))
    await clock.advance(3600)
    await Hours(database, clock).step()
    assert await figures(database) == [("t1", NOON, 2, 70, 75, 75, 80)]


async def test_what_no_living_person_has_and_what_skin_says_is_left_out(database: Database) -> None:
    await keep(
        database,
        told(NOON, heart_rate_bpm=0.0, temperature_c=36.5),
        told(NOON + MINUTE, temperature_c=33.0, temperature_site="wrist"),
        told(NOON + 2 * MINUTE, temperature_c=37.5, temperature_site="ear"),
    )
    await Hours(database, VirtualClock(NOON + 2 * HOUR)).step()
    assert await figures(database) == [("t1", NOON, 0, None, None, None, None)]
    assert await figures(database, "temperature_c") == [("t1", NOON, 2, 36.5, 37, 37, 37.5)]


async def test_more_terminals_than_one_slice_holds(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hours, "TERMINALS_AT_ONCE", 3)
    await keep(database, *(told(NOON, terminal=f"t{n}") for n in range(7)), told(NOON - 3 * HOUR, terminal="t9"))
    await Hours(database, VirtualClock(NOON + 2 * HOUR)).step()
    assert [row[0] for row in await figures(database)] == [*(f"t{n}" for n in range(7)), "t9"]


async def test_figures_outlive_the_readings_and_a_late_one_does_not_spoil_them(database: Database) -> None:
    clock = VirtualClock(NOON + 2 * HOUR)
    await keep(database, told(NOON), told(NOON + MINUTE, heart_rate_bpm=80.0))
    await Hours(database, clock).step()
    await clock.advance_to(NOON + 10 * DAY)
    keeper = Keeper(database, clock, {"vitals": 5, "vitals_hour": 400})
    await keeper.step()
    await keep(database, told(NOON + 2 * MINUTE, clock.now() - 2 * HOUR, heart_rate_bpm=140.0))
    await Hours(database, clock).step()
    assert await figures(database) == [("t1", NOON, 2, 70, 75, 75, 80)]
    await clock.advance_to(NOON + 500 * DAY)
    await keeper.forget()
    assert await figures(database) == []


async def test_days_are_the_middle_of_their_hours_in_the_centres_zone(database: Database) -> None:
    await keep(
        database,
        *(told(NOON + n * HOUR, heart_rate_bpm=60.0 + n) for n in range(-1, 2)),
        told(NOON + 5 * HOUR, heart_rate_bpm=90.0),  # past midnight in Xiamen
    )
    await Hours(database, VirtualClock(NOON + DAY)).step()
    async with database.connection() as connection:
        days = await hours.days_of_terminals(connection, ["t1"], NOON - DAY, NOON + DAY, "Asia/Shanghai")
    assert days == {"t1": {"heart_rate_bpm": [Day(date(2026, 3, 1), 60, 3), Day(date(2026, 3, 2), 90, 1)]}}


# --- when a home was heard -------------------------------------------------------------------------------------------

HOMES = """
INSERT INTO home (home_id) VALUES ('h1'), ('h2');
INSERT INTO terminal (terminal_id) VALUES ('t1'), ('t2'), ('t3');
INSERT INTO terminal_home VALUES ('t1', 'h1', NULL, '2026-01-01'), ('t2', 'h1', NULL, '2026-01-01'),
    ('t3', 'h2', NULL, '2026-01-01');
"""


async def press(connection: Connection, terminal_id: str, at: datetime, origin: str = "terminal") -> None:
    await connection.execute(
        "INSERT INTO alarm (row_id, terminal_id, alarm_id, digest, kind, origin, received_at, cancel_of, is_test,"
        " is_known) VALUES (gen_random_uuid(), $1, 'a', $4::text::bytea, 'sos', $3, $2, 'x', false, true)",
        *(terminal_id, at, origin, f"{at}"),
    )


async def test_a_home_is_heard_by_readings_and_presses_when_they_were_received(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute(HOMES)
        await press(connection, "t3", NOON + HOUR + MINUTE)
        await press(connection, "t3", NOON + 3 * MINUTE, "vitals")
    await keep(database, told(NOON), told(NOON + MINUTE, terminal="t2"), told(NOON, NOON + 3 * HOUR))
    await Hours(database, VirtualClock(NOON + 5 * HOUR)).step()
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT home_id, hours, last_at FROM home_day ORDER BY home_id")
    assert [tuple(row) for row in rows] == [
        ("h1", 1 << 12 | 1 << 15, NOON + 3 * HOUR),
        ("h2", 1 << 13, NOON + HOUR + MINUTE),
    ]
