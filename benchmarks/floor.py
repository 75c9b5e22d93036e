"""The floor under a press: what its two slow parts cost by themselves, on the same broker and the same PostgreSQL.

A message through the broker, from one C client that stands to another (`mosquitto_pub -l`, `mosquitto_sub`), and one
row committed through asyncpg. The message goes one way through the broker; a press and its receipt go through it twice.
"""

from __future__ import annotations

import asyncio
import select
import subprocess
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from dispatch.errors import Unreachable
from simulator.servers.mosquitto import find_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.stand import Stand
    from dispatch.clock import Clock

ANSWERS_WITHIN_S = 5.0
HEARS_FOR_S = 1800
"""The client that listens would go on looking for its broker for ever if we were killed."""

TABLE = "CREATE TABLE floor (id bigint PRIMARY KEY, said text NOT NULL, at timestamptz NOT NULL)"
INSERT = "INSERT INTO floor (id, said, at) VALUES ($1, $2, $3)"
PAYLOAD = "x" * 90
"""As long as an alarm's."""


class Messages:
    """Two C clients, and messages from one to the other at QoS 1."""

    def __init__(self, port: int, clock: Clock) -> None:
        self._clock = clock
        common = ["-h", "127.0.0.1", "-p", str(port), "-V", "5", "-q", "1", "-t", "floor/there", "--nodelay"]
        self._heard = self._start("mosquitto_sub", [*common, "-W", str(HEARS_FOR_S)])
        self._said = self._start("mosquitto_pub", [*common, "-l"])
        self._count = 0

    @staticmethod
    def _start(name: str, words: list[str]) -> subprocess.Popen[bytes]:
        program, environment = find_program(name)
        return subprocess.Popen(
            [program, *words], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def trip_ms(self, within_s: float = ANSWERS_WITHIN_S) -> float:
        """Milliseconds from a line at the one client to the same line from the other. Raises Unreachable."""
        assert self._said.stdin is not None
        assert self._heard.stdout is not None
        self._count += 1
        line = f"{self._count} {PAYLOAD}\n".encode()
        began_s = self._clock.elapsed()
        self._said.stdin.write(line)
        self._said.stdin.flush()
        while True:
            if not select.select([self._heard.stdout], [], [], within_s)[0]:
                raise Unreachable("no_message_came", within_s=within_s)
            if self._heard.stdout.readline() == line:
                return 1000 * (self._clock.elapsed() - began_s)

    async def until_ready(self) -> None:
        """Return when messages come through: the clients do not say when they have connected."""
        for _ in range(50):
            try:
                await asyncio.to_thread(self.trip_ms, 0.2)
            except Unreachable:
                continue
            return
        raise Unreachable("no_message_came", client="mosquitto_sub")

    def end(self) -> None:
        """End both clients."""
        for client in (self._said, self._heard):
            client.terminate()
            client.communicate()


class Floor:
    """Both parts, measured a few at a time between whatever else is measured."""

    def __init__(self, messages: Messages, connection: asyncpg.Connection[Any], clock: Clock) -> None:
        self._messages, self._connection, self._clock = messages, connection, clock
        self._rows = 0
        self.message_ms: list[float] = []
        self.commit_ms: list[float] = []

    async def probe(self, count: int, rate_per_s: float) -> None:
        """Measure each part `count` times at this rate: what comes after a rest is slower, and presses come so."""
        began_s = self._clock.elapsed()
        for n in range(count):
            await self._clock.sleep(max(0.0, began_s + n / rate_per_s - self._clock.elapsed()))
            self.message_ms.append(await asyncio.to_thread(self._messages.trip_ms))
            self.commit_ms.append(await self._commit_ms())

    async def _commit_ms(self) -> float:
        self._rows += 1
        now = self._clock.now()
        began_s = self._clock.elapsed()
        await self._connection.execute(INSERT, self._rows, PAYLOAD, now)
        return 1000 * (self._clock.elapsed() - began_s)

    async def commits_per_s(self, count: int) -> float:
        """How many single rows a second are committed one after the other."""
        now = self._clock.now()
        began_s = self._clock.elapsed()
        for row in range(self._rows, self._rows + count):
            await self._connection.execute(INSERT, row + 1, PAYLOAD, now)
        self._rows += count
        return count / (self._clock.elapsed() - began_s)


@asynccontextmanager
async def floor(stand: Stand) -> AsyncIterator[Floor]:
    """The floor of this stand, in a database of its own on the same server."""
    connection = await asyncpg.connect(await stand.postgres.create_database("floor"), timeout=10)
    messages = Messages(stand.broker.port, stand.clock)
    try:
        await connection.execute(TABLE)
        await messages.until_ready()
        yield Floor(messages, connection, stand.clock)
    finally:
        messages.end()
        await connection.close(timeout=5)
