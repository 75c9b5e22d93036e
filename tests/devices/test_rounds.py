"""Going round all homes: too long a silence and a drift become calls, once, our deafness is nobody's silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.clock import VirtualClock
from dispatch.devices.listening import Listening
from dispatch.devices.rounds import Rounds
from dispatch.engine import RaiseByService
from dispatch.health.silence import Span
from dispatch.model import Key, TerminalId, Vitals
from dispatch.store import rounds, vitals
from dispatch.store.database import Database
from dispatch.store.hours import Hours

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
T1 = TerminalId("t1")

REGISTER = """
INSERT INTO home (home_id) VALUES ('h1'), ('h2');
INSERT INTO elder (elder_id, name) VALUES ('e1', ''), ('e2', '');
INSERT INTO resident VALUES ('h1', 'e1', '2026-01-01'), ('h2', 'e2', '2026-01-01');
INSERT INTO terminal (terminal_id) VALUES ('t1'), ('t2');
INSERT INTO terminal_home VALUES ('t1', 'h1', NULL, '2026-01-01'), ('t2', 'h2', NULL, '2026-01-01');
INSERT INTO policy VALUES ('p', '{}', '2026-01-01');
"""
CALL = """
INSERT INTO incident (incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band, policy_hash,
    is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at, closed_at,
    outcome)
VALUES (gen_random_uuid(), 1, 'care', 'home', 'h1', 'service', $1, 2, 'p', false, $2, 0, 0, false, 1, 0, 0, 0, '[]',
    '2026-03-01', $3, $4, $5)
"""


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER)
    yield database
    await database.close()


class House:
    """A database in which homes speak; `look` goes round once."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.items: list[RaiseByService] = []

    async def hear(self, *times: datetime, terminal: str = "t1", **values: Any) -> None:
        readings = [Vitals(TerminalId(terminal), at, at, **(values or {"heart_rate_bpm": 70.0})) for at in times]
        async with self.database.connection() as connection:
            await vitals.add(connection, readings)

    async def listen(self, start_at: datetime, end_at: datetime) -> None:
        async with self.database.connection() as connection:
            await rounds.listen(connection, VirtualClock(start_at, seed=start_at.day).new_id(), Span(start_at, end_at))

    async def look(self, at: datetime, summed_at: datetime | None = None) -> list[tuple[str, str, tuple[str, ...]]]:
        """Kind, home and codes of what is called about."""
        await Hours(self.database, VirtualClock(summed_at or at)).step()
        called: list[RaiseByService] = []

        async def submit(item: RaiseByService) -> None:
            called.append(item)

        await Rounds(self.database, VirtualClock(at), submit, "UTC").round()
        self.items = called
        return [(each.kind.value, each.subject.id, tuple(each.facts["flaws"])) for each in called]

    async def database_answers(self) -> None:
        """Give whoever asked the database before a turn: it answers one of us after the other."""
        for _ in range(20):
            async with self.database.connection() as connection:
                await connection.fetchval("SELECT 1")

    async def called(self, kind: str, closed_at: datetime | None) -> None:
        state, due_at, outcome = ("closed", None, "assisted") if closed_at else ("waiting", NOON, None)
        async with self.database.connection() as connection:
            await connection.execute("DELETE FROM incident")
            await connection.execute(CALL, kind, state, due_at, closed_at, outcome)


@pytest.fixture
async def house(database: Database) -> House:
    """Two homes that speak every two hours by day, for ten days until noon, while we listened all the time."""
    house = House(database)
    spoken = [NOON - n * HOUR for n in range(0, 240, 2) if 8 <= (NOON - n * HOUR).hour <= 22]
    await house.hear(*spoken)
    await house.hear(*spoken, terminal="t2")
    await house.listen(NOON - 11 * DAY, NOON + 5 * DAY)
    return house


SILENT = ("no_activity", "h1", ("no_activity",))


async def test_a_home_silent_for_twice_its_nights_is_called_about(house: House) -> None:
    """Nights are ten hours long there, so that twenty are allowed."""
    await house.hear(NOON + 19 * HOUR, terminal="t2")
    assert await house.look(NOON + 19 * HOUR) == []
    assert await house.look(NOON + 22 * HOUR) == [SILENT]
    assert house.items[0].facts == {
        "flaws": ["no_activity"],
        "last_heard_at": NOON.isoformat(),
        "silent_s": 22 * 3600,
        "allowed_s": 21 * 3600,
    }


async def test_what_was_heard_within_this_hour_is_looked_up_before_anybody_is_called(house: House) -> None:
    await house.hear(NOON + 21 * HOUR + 50 * MINUTE)
    found = await house.look(NOON + 22 * HOUR, summed_at=NOON + 21 * HOUR)
    assert found == [("no_activity", "h2", ("no_activity",))]


async def test_our_own_deafness_is_not_their_silence(database: Database, house: House) -> None:
    async with database.connection() as connection:
        await connection.execute("DELETE FROM listening")
    await house.listen(NOON - 11 * DAY, NOON + HOUR)
    await house.listen(NOON + 12 * HOUR, NOON + 5 * DAY)
    assert await house.look(NOON + 22 * HOUR) == []
    assert SILENT in await house.look(NOON + 34 * HOUR)


async def test_a_home_that_is_looked_after_is_not_called_about_again(house: House) -> None:
    late = NOON + 30 * HOUR
    for kind, closed_at, is_called in (
        *(("sos", None, False), ("no_activity", None, False)),
        *(("no_activity", late - 23 * HOUR, False), ("no_activity", late - 25 * HOUR, True)),
        ("sos", late - HOUR, True),
    ):
        await house.called(kind, closed_at)
        assert (SILENT in await house.look(late)) == is_called, (kind, closed_at)


async def test_a_drift_is_called_about_once_in_the_homes_own_hour(database: Database) -> None:
    house = House(database)
    for days in range(1, 16):
        usual, is_drifting = 64.0 + days % 3, days <= 2
        await house.hear(NOON - days * DAY + HOUR, heart_rate_bpm=84.0 if is_drifting else usual)
        await house.hear(NOON - days * DAY + HOUR, terminal="t2", heart_rate_bpm=usual)
    end = NOON.replace(hour=23, minute=59)
    await house.hear(end - 2 * HOUR, terminal="t2", heart_rate_bpm=66.0)
    await house.hear(end - 2 * HOUR, heart_rate_bpm=85.0)
    assert await house.look(end) == [("trend", "h1", ("heart_rate_bpm_rising",))]
    assert await house.look(end) == []
    tomorrow = end + DAY
    await house.hear(tomorrow - 2 * HOUR, heart_rate_bpm=85.0)
    await house.called("trend", tomorrow - 6 * DAY)
    assert [each for each in await house.look(tomorrow) if each[0] == "trend"] == []


async def test_we_note_when_we_listen_and_a_gap_is_a_gap(database: Database) -> None:
    clock, is_up = VirtualClock(NOON), True
    listening = Listening(database, clock, lambda: is_up)
    for minute in range(6):
        is_up = minute != 3
        await listening.step()
        await clock.advance(60)
    async with database.connection() as connection:
        spans = sorted(await rounds.listened(connection, NOON))
    assert spans == [Span(NOON, NOON + 2 * MINUTE), Span(NOON + 4 * MINUTE, NOON + 5 * MINUTE)]


async def test_nobody_goes_round_before_what_was_heard_is_summed_up(house: House) -> None:
    called, is_called = [], asyncio.Event()

    async def submit(item: RaiseByService) -> None:
        called.append(item.kind)
        is_called.set()

    clock = VirtualClock(NOON + 22 * HOUR)
    going = asyncio.create_task(Rounds(house.database, clock, submit, "UTC").run())
    for _ in range(3):
        await clock.advance(10)
        await house.database_answers()
    assert called == []
    await Hours(house.database, clock).step()
    while not is_called.is_set():
        await clock.advance(10)
        await house.database_answers()
    going.cancel()
    assert called[0] is Key.NO_ACTIVITY
