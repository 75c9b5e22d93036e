"""While the database is away the centre is not blind: who presses stands on every board, from memory, to be phoned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest

from dispatch.clock import SystemClock, limit
from dispatch.model import TerminalId
from dispatch.store.database import migrate
from simulator.live_client import LiveClient
from simulator.servers import MosquittoServer, PostgresServer

from .conftest import Centre, press, register, running, settings_for

WITHIN_S = 30
HOMES = 40
REPEATS = 30
"""More messages than brokers let through unacknowledged if nobody tells them otherwise (and once ours did): 1,000."""
ELDER = """
INSERT INTO elder (elder_id, name, phone) VALUES ('E1', 'Wang Xiulan', '13800000001');
INSERT INTO resident VALUES ('H1', 'E1', '2020-01-01', NULL);
"""


@pytest.fixture
async def own_postgres(data_dir: Path) -> AsyncIterator[PostgresServer]:
    """A database server that this test may stop."""
    async with PostgresServer(data_dir / "postgres") as server:
        yield server


class Page:
    """A board's page: its frames, and what stands on it."""

    def __init__(self, client: LiveClient) -> None:
        self._frames = client.frames("/stream")
        self.incidents: dict[str, Any] = {}
        self.unstored: dict[str, Any] = {"lines": [], "away_since": None, "terminals": 0, "presses": 0}

    async def read(self) -> dict[str, Any]:
        frame: dict[str, Any] = msgspec.json.decode(await anext(self._frames))
        if frame["type"] == "unstored":
            self.unstored = frame
        elif frame["type"] in {"delta", "snapshot"}:
            cards = frame["board"]["incidents"] if frame["type"] == "snapshot" else frame["incidents"]
            self.incidents |= {card["subject_id"]: card for card in cards}
        return frame

    async def until_unstored(self, **expected: object) -> dict[str, Any]:
        async with limit(WITHIN_S):
            while any(self.unstored[name] != value for name, value in expected.items()):
                await self.read()
        return self.unstored

    async def until_incidents(self, count: int) -> None:
        async with limit(WITHIN_S):
            while len(self.incidents) < count:
                await self.read()


async def homes_are_known(town: Centre) -> None:
    async with limit(WITHIN_S):
        while len(town.service.watching.homes) < 600:
            await SystemClock().sleep(0.05)


async def test_presses_that_cannot_be_stored_stand_on_every_board_until_they_are_calls(
    own_postgres: PostgresServer, broker: MosquittoServer, centre: str
) -> None:
    dsn = await own_postgres.create_database("town")
    await migrate(dsn)
    await register(dsn, ELDER)
    async with running(settings_for(dsn, broker, centre), SystemClock()) as town:
        await town.ready_in_real_time()
        await homes_are_known(town)
        operator = await town.operator()
        page = Page(operator)
        await page.read()

        await own_postgres.stop()
        async with aiomqtt.Client("127.0.0.1", broker.port) as terminals:
            for _ in range(REPEATS):  # nobody hears `stored`, so everybody repeats
                for n in range(1, HOMES + 1):
                    alarm = msgspec.json.encode(press("a1"))
                    await terminals.publish(f"onekey/1/{centre}/T{n}/alarm", alarm, qos=1)
            fire = msgspec.json.encode(press("a2", "fire"))
            await terminals.publish(f"onekey/1/{centre}/T1/alarm", fire, qos=1)

        said = await page.until_unstored(terminals=HOMES, presses=HOMES + 1)
        assert (said["used"], said["window"]) == (HOMES * REPEATS + 1, 65_535)
        line = next(each for each in said["lines"] if each["terminal_id"] == "T1")
        assert (line["presses"], line["address"]) == (2, "1 Pine Lane")
        assert line["people"] == [{"name": "Wang Xiulan", "phone": "13800000001", "relation": ""}]
        assert line["contacts"] == [{"name": "Daughter", "phone": "13900000001", "relation": "daughter"}]

        assert (await operator.get("/session"))["name"] == "op"  # whoever is signed in stays so
        other = Page(operator)
        await other.until_unstored(terminals=HOMES)
        assert other.unstored["away_since"] is not None

        await own_postgres.start()
        for each in (page, other):
            await each.until_incidents(HOMES)
            await each.until_unstored(lines=[], away_since=None)
        assert await town.fetch("SELECT count(*) FROM alarm") == [HOMES + 1]
        assert await town.fetch("SELECT count(*), count(DISTINCT subject_id) FROM incident") == [(HOMES, HOMES)]
        assert town.service.leading is not None
        assert town.service.watching.homes.find(TerminalId("T1")) is not None


async def test_a_board_opened_for_the_first_time_during_the_outage_sees_who_calls(
    own_postgres: PostgresServer, broker: MosquittoServer, centre: str
) -> None:
    dsn = await own_postgres.create_database("town")
    await migrate(dsn)
    await register(dsn)
    async with running(settings_for(dsn, broker, centre), SystemClock()) as town:
        await town.ready_in_real_time()
        await homes_are_known(town)
        operator = await town.operator()
        await own_postgres.stop()
        async with town.terminal("T2") as terminal:
            await terminal.say(press())
            page = Page(operator)
            said = await page.until_unstored(terminals=1)
            assert said["lines"][0]["address"] == "2 Pine Lane"
            await own_postgres.start()
            await terminal.hear("stored")
            await page.until_incidents(1)
            await page.until_unstored(lines=[], away_since=None)
