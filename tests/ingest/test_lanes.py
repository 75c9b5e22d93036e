"""Terminals' messages through a real Mosquitto into the real engine on a real PostgreSQL, acknowledged when durable."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

import aiomqtt
import pytest

from dispatch.clock import SystemClock
from dispatch.devices.kinds import Lane
from dispatch.engine import Engine
from dispatch.incident.policy import read_policies
from dispatch.ingest import Lanes, Sinks
from dispatch.model import Key
from dispatch.mqtt import Address
from dispatch.store import record
from dispatch.store.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from collections.abc import Set as AbstractSet

    from dispatch.ingest import Housekeeping
    from dispatch.model import Alarm, TerminalId, Unreadable, Vitals
    from simulator.servers import MosquittoServer

REGISTER = """
INSERT INTO home (home_id) VALUES ('H1'), ('H2');
INSERT INTO terminal (terminal_id) VALUES ('T1'), ('T2');
INSERT INTO terminal_home VALUES ('T1', 'H1', NULL, '2026-01-01', NULL), ('T2', 'H2', NULL, '2026-01-01', NULL);
"""


class Centre:
    """The lanes, the engine they feed, and what else they handed on."""

    def __init__(self, broker: MosquittoServer, database: Database, centre_id: str) -> None:
        text = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
        self.id = centre_id
        self.clock = SystemClock()
        self.database = database
        self.engine = Engine(database, self.clock, read_policies(text, "default_policy.toml"))
        self.vitals: list[Vitals] = []
        self.house: list[Housekeeping] = []
        self.gaps: list[Lane] = []
        self.vitals_may_go_on = asyncio.Event()
        self.vitals_may_go_on.set()
        self._port = broker.port
        sinks = Sinks(
            self.engine.raise_alarms, self._registered, _judge, self._keep_vitals, self._keep_house, self._park
        )
        self.lanes = Lanes(Address("127.0.0.1", broker.port), centre_id, self.clock, sinks, self.gaps.append)

    async def _registered(self, terminal_ids: AbstractSet[TerminalId]) -> AbstractSet[TerminalId]:
        return terminal_ids & {row["terminal_id"] for row in await self.rows("SELECT terminal_id FROM terminal")}

    async def _keep_vitals(self, readings: Sequence[Vitals]) -> None:
        await self.vitals_may_go_on.wait()
        self.vitals += readings

    async def _keep_house(self, things: Sequence[Housekeeping]) -> None:
        self.house += things

    async def _park(self, unreadable: Sequence[Unreadable]) -> None:
        async with self.database.transaction() as connection:
            await record.add_parked(connection, [(self.clock.new_id(), each) for each in unreadable])

    async def rows(self, statement: str) -> list[Any]:
        async with self.database.connection() as connection:
            return list(await connection.fetch(statement))

    @asynccontextmanager
    async def running(self, *, engine: bool = True) -> AsyncIterator[Centre]:
        await self.engine.prepare()
        tasks = [asyncio.create_task(self.lanes.run())]
        if engine:
            tasks.append(asyncio.create_task(self.engine.run()))
        try:
            await self.until(lambda: self.lanes.are_connected)
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, holds: Callable[[], object]) -> None:
        """What happens in three lanes and an engine announces itself nowhere: look again until it has."""
        while not holds():
            await self.clock.sleep(0.005)

    async def until_acknowledged(self, count: int) -> None:
        connections = self.lanes.connections.values()
        await self.until(lambda: sum(connection.counts.acknowledged for connection in connections) == count)
        assert not any(connection.unacknowledged for connection in connections)

    async def say(self, *said: tuple[str, str, object]) -> None:
        """Terminals speak: (terminal, topic, payload) each; the broker has them when this returns."""
        async with aiomqtt.Client("127.0.0.1", self._port) as client:
            for terminal, what, payload in said:
                raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                await client.publish(f"onekey/1/{self.id}/{terminal}/{what}", raw, qos=0 if what == "beat" else 1)


def _judge(readings: Sequence[Vitals]) -> Sequence[Alarm]:
    from dispatch.health.thresholds import as_alarm, crossed

    return [as_alarm(reading, codes) for reading in readings if (codes := crossed(reading))]


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER)
    yield database
    await database.close()


@pytest.fixture
async def town(broker: MosquittoServer, database: Database, centre: str) -> Centre:
    return Centre(broker, database, centre)


def press(number: int = 1, **changed: Any) -> dict[str, Any]:
    return {"id": f"a{number}", "at": datetime.now(UTC).isoformat(), "key": "sos"} | changed


async def test_a_press_is_acknowledged_only_when_it_is_durable(town: Centre) -> None:
    async with town.running(engine=False):
        alarms = town.lanes.connections[Lane.ALARMS]
        await town.say(("T1", "alarm", press()))
        await town.until(lambda: town.engine.backlog)
        assert (alarms.unacknowledged, alarms.counts.acknowledged) == (1, 0)
        assert await town.rows("SELECT FROM alarm") == []
        await town.engine.step()
        assert len(await town.rows("SELECT FROM alarm")) == 1
        await town.until_acknowledged(1)


async def test_what_was_not_acknowledged_comes_again_to_the_next_leader(
    town: Centre, broker: MosquittoServer, database: Database
) -> None:
    async with town.running(engine=False):
        await town.say(("T1", "alarm", press()))
        await town.until(lambda: town.engine.backlog)
    async with Centre(broker, database, town.id).running() as successor:
        await successor.until_acknowledged(1)
        assert len(await successor.rows("SELECT FROM incident")) == 1
        assert successor.gaps == []
    assert town.gaps == list(Lane)


async def test_bad_messages_in_the_middle_of_good_ones_stop_none_and_are_kept(town: Centre) -> None:
    good = [("T1", "alarm", press(number)) for number in range(100)]
    bad = [
        b"help",
        b'{"id":"x","key":["sos"]}',
        json.dumps(press(key="dance")).encode(),
        json.dumps(press(id="a\0")).encode(),
        json.dumps(press(id="a\ud800")).encode(),
        b"[" * 16_000,
    ]
    forgiven = [press(900, at="300000-01-01T00:00:00Z"), press(901, battery="\ud800"), press(902, note="\0")]
    said = [
        *good[:50],
        *(("T2", "alarm", payload) for payload in bad),
        *(("T1", "alarm", payload) for payload in forgiven),
        ("stranger", "alarm", b"not even JSON"),
        ("stranger", "selfie", b""),
        *good[50:],
    ]
    async with town.running():
        await town.say(*said)
        await town.until_acknowledged(len(said) - 1)  # nobody listens to selfies
        stored = {row["alarm_id"] for row in await town.rows("SELECT alarm_id FROM alarm WHERE terminal_id = 'T1'")}
        assert stored == {f"a{number}" for number in [*range(100), 900, 901, 902]}
        calls = await town.rows("SELECT kind, band FROM incident WHERE subject_id = 'H2'")
        assert [(call["kind"], call["band"]) for call in calls] == [(Key.UNREADABLE.value, 1)]
        assert len(await town.rows("SELECT FROM alarm WHERE terminal_id = 'T2'")) == len(bad)
        parked = await town.rows("SELECT payload FROM parked")
        assert {row["payload"] for row in parked} == {*bad, b"not even JSON"}
        assert await town.rows("SELECT FROM alarm WHERE terminal_id = 'stranger'") == []


async def test_a_readable_press_from_a_stranger_is_a_call(town: Centre) -> None:
    async with town.running():
        await town.say(("stranger", "alarm", press()))
        await town.until_acknowledged(1)
        (call,) = await town.rows("SELECT kind FROM incident")
        assert call["kind"] == "sos"


async def test_readings_that_wait_for_their_store_delay_no_press(town: Centre) -> None:
    town.vitals_may_go_on.clear()
    async with town.running():
        await town.say(("T1", "vitals", {"heart_rate_bpm": 70}))
        await town.until(lambda: town.lanes.connections[Lane.VITALS].unacknowledged)
        await town.say(("T1", "alarm", press()))
        await town.until(lambda: town.lanes.connections[Lane.ALARMS].counts.acknowledged == 1)
        assert town.lanes.connections[Lane.VITALS].counts.acknowledged == 0
        town.vitals_may_go_on.set()
        await town.until_acknowledged(2)
        assert [reading.heart_rate_bpm for reading in town.vitals] == [70]


async def test_a_critical_reading_is_a_call(town: Centre) -> None:
    async with town.running():
        await town.say(("T1", "vitals", [{"spo2_percent": 97}, {"spo2_percent": 80}]))
        await town.until_acknowledged(1)
        (call,) = await town.rows("SELECT kind, origin FROM incident")
        assert (call["kind"], call["origin"]) == ("vitals", "vitals")
        assert len(town.vitals) == 2


async def test_housekeeping_is_handed_on_and_what_is_unreadable_of_it_parked(town: Centre) -> None:
    async with town.running():
        await town.say(
            ("T1", "state", {"state": "ready", "session": "s"}),
            ("T1", "fault", {"id": "f", "fault": "tamper", "on": True}),
            ("T1", "command/reply", {"id": "c", "state": "done"}),
            ("T1", "state", {"state": "asleep", "session": "s"}),
            ("T1", "beat", {"n": 1}),
        )
        await town.until(lambda: len(town.house) == 4)
        await town.until_acknowledged(4)
        assert [type(each).__name__ for each in town.house] == ["TerminalState", "Fault", "CommandReply", "Beat"]
        assert [row["reason"] for row in await town.rows("SELECT reason FROM parked")] == ["unknown_state"]


async def test_messages_down_go_out_on_the_housekeeping_lane(town: Centre, broker: MosquittoServer) -> None:
    async with town.running(), aiomqtt.Client("127.0.0.1", broker.port) as terminal:
        topic = f"onekey/1/{town.id}/T1/receipt"
        await terminal.subscribe(topic, qos=1)
        assert await town.lanes.connections[Lane.HOUSEKEEPING].publish(topic, b"{}", expiry_s=60)
        assert (await anext(aiter(terminal.messages))).payload == b"{}"
