"""A whole centre: the service as it is deployed, a real PostgreSQL, a real Mosquitto, terminals and people beside it.

Waiting is for happenings, never for time: `until` looks again after each commit. Time is virtual unless a test says
otherwise, so a ladder of ten minutes is climbed in a moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiomqtt
import msgspec
import pytest

from dispatch.app import Service, build
from dispatch.board.passwords import hash_password
from dispatch.board.sessions import make_link
from dispatch.clock import Clock, VirtualClock, limit
from dispatch.model import WorkerId
from dispatch.settings import Http, Mqtt, Settings, Watch
from dispatch.store.accounts import add_account
from dispatch.store.database import Database
from simulator.live_client import LiveClient
from simulator.reach import Reach
from simulator.servers import MosquittoServer

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
WITHIN_S = 15.0

REGISTER = """
INSERT INTO station VALUES ('S1', 'Station One', 24.480, 118.100);
INSERT INTO home (home_id, address, lat, lon, station_id)
    SELECT 'H' || n, n || ' Pine Lane', 24.480 + n * 0.0001, 118.100, 'S1' FROM generate_series(1, 600) AS n;
INSERT INTO contact VALUES ('H1', 1, 'Daughter', 'daughter', '13900000001', true);
INSERT INTO terminal (terminal_id) SELECT 'T' || n FROM generate_series(1, 600) AS n;
INSERT INTO terminal_home SELECT 'T' || n, 'H' || n, NULL, '2026-01-01', NULL FROM generate_series(1, 600) AS n;
INSERT INTO worker (worker_id, name, station_id, travel, skills, is_on_duty, lat, lon, place_at) VALUES
    ('W1', 'Worker One', 'S1', 'ebike', '{first_aid}', true, 24.5, 118.1, '2026-03-01T03:00:00Z'),
    ('W2', 'Worker Two', 'S1', 'ebike', '{first_aid}', true, 24.481, 118.1, '2026-03-01T03:00:00Z'),
    ('W3', 'Worker Three', 'S1', 'ebike', '{first_aid}', true, 24.482, 118.1, '2026-03-01T03:00:00Z');
"""


class Terminal:
    """A terminal's connection, by an independent client; what it hears is kept in order."""

    def __init__(self, client: aiomqtt.Client, centre_id: str, terminal_id: str) -> None:
        self._client = client
        self._root = f"onekey/1/{centre_id}/{terminal_id}"

    async def say(self, payload: dict[str, Any] | bytes, topic: str = "alarm") -> None:
        """Publish, and return when the broker has it."""
        content = payload if isinstance(payload, bytes) else msgspec.json.encode(payload)
        await self._client.publish(f"{self._root}/{topic}", content, qos=1)

    async def hear(self, stage: str) -> dict[str, Any]:
        """The next receipt of a stage; earlier ones of other stages are passed over."""
        async with limit(WITHIN_S):
            async for message in self._client.messages:
                assert isinstance(message.payload, bytes)
                receipt: dict[str, Any] = msgspec.json.decode(message.payload)
                if receipt.get("stage") == stage:
                    return receipt
        raise AssertionError("the connection ended")


def press(alarm_id: str = "a1", key: str = "sos", **more: Any) -> dict[str, Any]:
    """What a terminal says when a key is pressed."""
    return {"id": alarm_id, "at": "2026-03-01T11:00:00+08:00", "key": key, **more}


@dataclass
class Centre:
    """A running service with everything around it."""

    service: Service
    clock: Clock
    database: Database
    reach: Reach
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """Rows; those of one column come as their value."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(query, *args)
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    async def until(self, query: str, expected: Sequence[Any], *args: object) -> None:
        """Return when a query gives just that; it is asked again after each commit, at least every 50 ms."""
        committed = asyncio.Event()
        self.service.parts.engine.listen(lambda _committed: committed.set())
        seen: list[Any] = []
        try:
            async with limit(WITHIN_S):
                while (seen := await self.fetch(query, *args)) != list(expected):
                    await self._next_commit(committed)
        except TimeoutError:
            raise AssertionError(f"{query}\nis {seen}\nnot {expected}") from None

    @staticmethod
    async def _next_commit(committed: asyncio.Event) -> None:
        try:
            async with limit(0.05):
                await committed.wait()
        except TimeoutError:
            return
        committed.clear()

    async def ready(self) -> None:
        """Return when the service leads and hears terminals."""
        async with limit(WITHIN_S):
            while (await self.service.readiness()).missing:
                await self._next_commit(asyncio.Event())
                await self.advance(1)

    async def ready_in_real_time(self) -> None:
        """The same on a clock that nobody turns."""
        async with limit(WITHIN_S):
            while (await self.service.readiness()).missing:
                await self._next_commit(asyncio.Event())

    async def advance(self, seconds: float) -> None:
        """Let virtual time pass, a second at a time, so that everything that waits for a time has its turn."""
        assert isinstance(self.clock, VirtualClock)
        for _ in range(round(seconds)):
            await self.clock.advance(1)
            await self._settled()

    async def _settled(self) -> None:
        """Return when what the last second set off has been committed."""
        async with limit(WITHIN_S):
            while True:
                now = self.clock.now()
                due = await self.fetch("SELECT count(*) FROM incident WHERE due_at <= $1", now)
                if due == [0] and not self.service.parts.engine.backlog:
                    return
                assert isinstance(self.clock, VirtualClock)
                await self.clock.advance(0.01)
                await self._next_commit(asyncio.Event())

    @asynccontextmanager
    async def terminal(self, terminal_id: str = "T1") -> AsyncIterator[Terminal]:
        """A connected terminal that hears its receipts."""
        centre_id = self.reach.centre_id
        async with aiomqtt.Client("127.0.0.1", self.reach.mqtt_port, identifier=f"{centre_id}-{terminal_id}") as client:
            await client.subscribe(f"onekey/1/{centre_id}/{terminal_id}/receipt", qos=1)
            yield Terminal(client, centre_id, terminal_id)

    async def worker(self, worker_id: str) -> LiveClient:
        """A worker's phone, signed in."""
        async with self.database.connection() as connection:
            token = await make_link(connection, self.clock, worker_id=WorkerId(worker_id))
        phone = self._client(worker_id)
        await phone.enter(token)
        return phone

    async def operator(self, name: str = "op") -> LiveClient:
        """An operator at a board, signed in."""
        async with self.database.connection() as connection:
            await add_account(
                connection,
                name,
                role="operator",
                password_hash=hash_password("correct horse"),
                language="en",
                now=self.clock.now(),
            )
        board = self._client(name)
        await board.sign_in(name, "correct horse")
        return board

    def _client(self, name: str) -> LiveClient:
        client = LiveClient(self.reach, self.clock, name)
        self.closing.append(client.close)
        return client


def settings_for(dsn: str, broker: MosquittoServer, centre_id: str, instance: str = "one") -> Settings:
    """Settings of a service on these servers, on any free port."""
    return Settings(
        centre_id=centre_id,
        database_url=dsn,
        instance=instance,
        mqtt=Mqtt(port=broker.port),
        http=Http(port=0),
        watch=Watch(no_board_after_s=0, nobody_answers_after_s=0),  # most tests have no board and nobody at it
    )


@asynccontextmanager
async def running(settings: Settings, clock: Clock) -> AsyncIterator[Centre]:
    """A started service; everything is stopped at the end."""
    service = await build(settings, clock)
    await service.start()
    reach = Reach(settings.mqtt.port, f"http://127.0.0.1:{service.http_port}", settings.centre_id)
    centre = Centre(service, clock, Database(settings.database_url), reach)
    try:
        yield centre
    finally:
        for close in centre.closing:
            await close()
        await centre.database.close()
        await service.stop()


async def register(dsn: str, more: str = "") -> None:
    """The small town these tests play in, and what one of them wants beside it."""
    database = Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER + more)
    await database.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START, seed=7)


@pytest.fixture
async def town(dsn: str, broker: MosquittoServer, centre: str, clock: VirtualClock) -> AsyncIterator[Centre]:
    """A centre that leads and listens, on virtual time."""
    await register(dsn)
    async with running(settings_for(dsn, broker, centre), clock) as started:
        await started.ready()
        yield started
