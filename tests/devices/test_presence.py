"""What terminals tell of themselves, and which of them is told again how far its call is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from dispatch.clock import VirtualClock
from dispatch.devices.presence import Presence, Told, fold
from dispatch.devices.registry import Registry
from dispatch.engine import Engine
from dispatch.incident.events import AlarmRepeated
from dispatch.model import Alarm, Beat, Fault, IncidentId, Key, TerminalId, TerminalState, Vitals
from dispatch.settings import Settings, load_policies
from dispatch.store.database import Database

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
T1, T2 = TerminalId("t1"), TerminalId("t2")

REGISTER = """
INSERT INTO station VALUES ('s1', 'North', 24.4, 118.1);
INSERT INTO home (home_id, station_id) VALUES ('h1', 's1'), ('h2', 's1');
INSERT INTO elder (elder_id, name, thresholds)
VALUES ('e1', 'Lin', '{"spo2_percent": {"low": 84}}'), ('e2', 'Wu', NULL);
INSERT INTO resident VALUES ('h1', 'e1', '2026-01-01'), ('h2', 'e2', '2026-01-01');
INSERT INTO terminal (terminal_id) VALUES ('t1'), ('t2'), ('t3');
INSERT INTO terminal_home VALUES ('t1', 'h1', NULL, '2026-01-01'), ('t2', 'h2', NULL, '2026-01-01');
"""


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER)
    yield database
    await database.close()


def state(name: str, session: str, terminal_id: TerminalId = T1) -> TerminalState:
    return TerminalState(terminal_id, name, session, AT)


async def kept(database: Database, *batches: list[Told]) -> dict[str, Any]:
    async def ignore(_incident_id: IncidentId, _event: AlarmRepeated) -> None:
        pytest.fail("there is no open call")

    presence = Presence(database, ignore)
    for batch in batches:
        await presence.keep(batch)
    async with database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT state, session, heard_at, battery FROM terminal WHERE terminal_id = 't1'"
        )
        assert row is not None
        return dict(row)


@pytest.mark.parametrize(
    ("batches", "expected"),
    [
        ([[state("ready", "a")]], "ready"),
        ([[state("ready", "a"), state("lost", "a")]], "lost"),
        ([[state("ready", "a")], [state("lost", "a")]], "lost"),
        ([[state("ready", "a")], [state("ready", "b"), state("lost", "a")]], "ready"),
        ([[state("ready", "b")], [state("lost", "a")]], "ready"),
        ([[state("ready", "a")], [state("lost", "a"), state("ready", "b")]], "ready"),
        ([[state("ready", "a"), state("sleeping", "a")]], "sleeping"),
        ([[Beat(T1, AT)]], "unheard"),
    ],
)
async def test_a_lost_counts_only_for_the_session_of_the_last_ready(
    database: Database, batches: list[list[Told]], expected: str
) -> None:
    assert (await kept(database, *batches))["state"] == expected


async def test_a_beat_is_a_sign_of_life_and_a_will_is_none(database: Database) -> None:
    later = AT + timedelta(hours=1)
    row = await kept(
        database,
        [state("ready", "a"), Beat(T1, AT, battery_percent=80)],
        [TerminalState(T1, "lost", "a", later)],
        [Beat(TerminalId("nobody"), AT)],
    )
    assert row == {"state": "lost", "session": "a", "heard_at": AT, "battery": 80}


def test_terminals_are_taken_in_one_order() -> None:
    assert list(fold([Beat(T2, AT), Beat(T1, AT), Beat(T2, AT)])) == [T1, T2]


async def test_a_fault_is_kept_once(database: Database) -> None:
    fault = Fault(T1, "f1", "battery_low", is_on=True, received_at=AT)
    await kept(database, [fault], [fault])
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM fault") == 1


async def test_a_terminal_that_started_anew_is_told_again_of_its_open_call(database: Database) -> None:
    settings = Settings(centre_id="c", database_url="postgresql://unused")
    engine = Engine(database, VirtualClock(AT), load_policies(settings))
    await engine.prepare()
    stored = engine.raise_alarms([Alarm(T1, "a1", Key.SOS, AT, b"digest")])
    storing = asyncio.ensure_future(stored)
    while not storing.done():
        await asyncio.sleep(0)
        await engine.step()
    told: list[tuple[IncidentId, AlarmRepeated]] = []

    async def tell(incident_id: IncidentId, event: AlarmRepeated) -> None:
        told.append((incident_id, event))

    presence = Presence(database, tell)
    await presence.keep([state("ready", "a"), state("ready", "a", T2)])
    incident = storing.result()[0].incident
    assert incident is not None
    assert told == [(incident.id, AlarmRepeated(T1, "a1"))]
    await presence.keep([state("ready", "a")])
    assert len(told) == 1


async def nobody_waits(alarms: Sequence[Alarm]) -> None:
    raise AssertionError(alarms)


async def test_an_elders_own_limits_judge_the_terminal_of_the_home(database: Database) -> None:
    registry = Registry(database, VirtualClock(AT), nobody_waits)
    await registry.read()
    readings = [Vitals(terminal_id, AT, spo2_percent=88) for terminal_id in (T1, T2)]
    assert registry.judge(readings) == []
    later = [replace(each, received_at=AT + timedelta(minutes=1)) for each in readings]
    alarms = registry.judge(later)
    assert [alarm.terminal_id for alarm in alarms] == [T2]
    assert registry.judge(later) == alarms  # the store was away, and they are judged again
    assert await registry.registered({T1, TerminalId("t3"), TerminalId("t9")}) == {T1}


async def test_limits_that_make_no_sense_leave_the_defaults(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("""UPDATE elder SET thresholds = '{"pulse": 3}'""")
    registry = Registry(database, VirtualClock(AT), nobody_waits)
    await registry.read()
    readings = [Vitals(T1, AT + timedelta(minutes=minute), spo2_percent=88) for minute in (0, 1)]
    assert len(registry.judge(readings)) == 1


async def test_a_cuff_and_a_clip_of_one_elder_score_together_once_one_of_them_scored(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("""
            INSERT INTO home (home_id) VALUES ('pair');
            INSERT INTO elder (elder_id, name) VALUES ('worn', ''), ('other', '');
            INSERT INTO resident VALUES ('pair', 'worn', '2026-01-01'), ('pair', 'other', '2026-01-01');
            INSERT INTO terminal (terminal_id) VALUES ('clip'), ('cuff'), ('wall');
            INSERT INTO terminal_home VALUES ('clip', 'pair', 'worn', '2026-01-01'),
                ('cuff', 'pair', 'worn', '2026-01-01'), ('wall', 'pair', NULL, '2026-01-01');
        """)
    registry = Registry(database, VirtualClock(AT), nobody_waits)

    def told(minute: int) -> list[Vitals]:
        at = AT + timedelta(minutes=minute)
        clip, cuff, wall = map(TerminalId, ("clip", "cuff", "wall"))
        return [
            Vitals(clip, at, heart_rate_bpm=115, spo2_percent=93),
            Vitals(cuff, at + timedelta(seconds=9), systolic_mmhg=95),
            Vitals(wall, at, respiration_per_min=22),
        ]

    assert registry.judge([*told(0), *told(1)]) == []
    await registry.read()
    assert [alarm.flaws for alarm in registry.judge([*told(2), *told(3)])] == [("news2_urgent",)]


async def test_a_terminal_of_little_note_scores_together_with_one_that_scored(database: Database) -> None:
    """A saturation of 95 % alone makes nobody ask whom that clip measures; the cuff of the same elder does."""
    async with database.connection() as connection:
        await connection.execute("""
            INSERT INTO home (home_id) VALUES ('pair');
            INSERT INTO elder (elder_id, name) VALUES ('worn', '');
            INSERT INTO resident VALUES ('pair', 'worn', '2026-01-01');
            INSERT INTO terminal (terminal_id) VALUES ('clip'), ('cuff');
            INSERT INTO terminal_home VALUES ('clip', 'pair', NULL, '2026-01-01'), ('cuff', 'pair', NULL, '2026-01-01');
        """)
    registry = Registry(database, VirtualClock(AT), nobody_waits)

    def told(minute: int) -> list[Vitals]:
        at = AT + timedelta(minutes=minute)
        return [
            Vitals(TerminalId("clip"), at, spo2_percent=95),
            Vitals(TerminalId("cuff"), at + timedelta(seconds=9), systolic_mmhg=95, heart_rate_bpm=112),
        ]

    assert registry.judge([*told(0), *told(1)]) == []
    await registry.read()
    assert [alarm.flaws for alarm in registry.judge([*told(2), *told(3)])] == [("news2_urgent",)]


async def test_what_was_measured_once_and_was_critical_is_called_about_a_while_later(database: Database) -> None:
    clock = VirtualClock(AT)
    called: asyncio.Queue[Alarm] = asyncio.Queue()

    async def call(alarms: Sequence[Alarm]) -> None:
        for alarm in alarms:
            called.put_nowait(alarm)

    registry = Registry(database, clock, call)
    registry.judge([Vitals(T1, AT, spo2_percent=85)])
    await clock.advance(601)
    running = asyncio.ensure_future(registry.run())
    try:
        alarm = await called.get()
    finally:
        running.cancel()
    assert (alarm.terminal_id, alarm.key, alarm.received_at) == (T1, Key.MEASURE_AGAIN, AT + timedelta(seconds=601))


async def test_an_elder_on_the_second_scale_is_scored_by_it(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("""UPDATE elder SET spo2_scale = 'two' WHERE elder_id = 'e1'""")
    registry = Registry(database, VirtualClock(AT), nobody_waits)
    await registry.read()
    readings = [
        Vitals(
            terminal_id, AT + timedelta(minutes=minute), spo2_percent=92.0, heart_rate_bpm=118.0, systolic_mmhg=105.0
        )
        for terminal_id in (T1, T2)
        for minute in (0, 1)
    ]
    assert [alarm.terminal_id for alarm in registry.judge(readings)] == [T2]
