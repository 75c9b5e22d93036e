"""The database goes away under a call, and the service restarts under its clocks (see also `tests/app`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from dispatch.clock import SystemClock, VirtualClock
from dispatch.errors import Unreachable
from dispatch.store.database import migrate
from simulator.servers import MosquittoServer, PostgresServer
from simulator.servers.mosquitto import CONFIG

from .conftest import Centre, press, register, running, settings_for


async def missing_becomes(centre: Centre, expected: set[str]) -> None:
    """Return when `/readyz` would name just these as missing."""
    for _ in range(400):
        if set((await centre.service.readiness()).missing) == expected:
            return
        await SystemClock().sleep(0.05)
    raise AssertionError((await centre.service.readiness()).missing)


@pytest.fixture
async def own_postgres(data_dir: Path) -> AsyncIterator[PostgresServer]:
    """A database server that this test may stop."""
    async with PostgresServer(data_dir / "postgres") as server:
        yield server


async def test_presses_made_while_the_database_is_away_are_stored_when_it_returns(
    own_postgres: PostgresServer, broker: MosquittoServer, centre: str
) -> None:
    dsn = await own_postgres.create_database("town")
    await migrate(dsn)
    await register(dsn)
    async with running(settings_for(dsn, broker, centre), SystemClock()) as town:
        await missing_becomes(town, set())
        operator = await town.operator()
        async with town.terminal() as terminal:
            await own_postgres.stop()
            await terminal.say(press())
            with pytest.raises(Unreachable):
                await operator.post("/incidents", {"kind": "sos", "home_id": "H2"})
            await own_postgres.start()
            await terminal.hear("stored")
        await town.until("SELECT count(*) FROM incident", [1])


async def test_a_restart_in_the_middle_of_every_clock_loses_none(
    dsn: str, broker: MosquittoServer, centre: str, clock: VirtualClock
) -> None:
    await register(dsn)
    settings = settings_for(dsn, broker, centre)
    async with running(settings, clock) as town:
        await town.ready()
        async with town.terminal() as terminal:
            await terminal.say(press())
            await terminal.hear("stored")
        await town.until("SELECT count(*) FROM assignment WHERE state = 'offered'", [2])
    await clock.advance(45)  # both offers run out while nobody is there
    async with running(settings, clock) as town:
        await town.ready()
        await town.until("SELECT count(*) FROM assignment WHERE state = 'lapsed'", [2])
        await town.until("SELECT count(*) FROM assignment WHERE state = 'offered'", [2])
        await town.advance(20)
        await town.until("SELECT level FROM incident", [1])


async def test_what_the_broker_had_no_room_for_is_a_possible_gap_on_the_board(dsn: str, reachable: Path) -> None:
    small = reachable / "small.conf"
    limits = CONFIG.read_text().replace("max_queued_messages 200000", "max_queued_messages 1")
    small.write_text(limits.replace("sys_interval 10", "sys_interval 1"))
    await register(dsn)
    async with MosquittoServer(config=small) as broker, running(settings_for(dsn, broker, "c1"), SystemClock()) as town:
        await missing_becomes(town, set())
        async with aiomqtt.Client("127.0.0.1", broker.port, identifier="c1-T1", clean_session=False) as sleeper:
            await sleeper.subscribe("onekey/1/c1/T1/receipt", qos=1)
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for n in range(5):
                await client.publish("onekey/1/c1/T1/receipt", b"%d" % n, qos=1)
        await town.until("SELECT kind FROM incident WHERE incident_class = 'centre'", ["possible_gap"])
