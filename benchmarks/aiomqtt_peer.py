"""A peer in a process of its own: aiomqtt hands over one message after the other, and asyncpg inserts a row for each.

This is how the two are usually put together. aiomqtt has acknowledged a message before it hands it over, so what is
between the two when the process dies is lost; that is in its favour here.
"""

from __future__ import annotations

from typing import Any

import aiomqtt
import asyncpg
import uvloop
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from benchmarks.commands import serve, settle
from benchmarks.session import SESSION_S
from dispatch.clock import SystemClock

TABLE = """CREATE TABLE IF NOT EXISTS press (
    press_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL, payload jsonb NOT NULL, received_at timestamptz NOT NULL
)"""
INSERT = "INSERT INTO press (topic, payload, received_at) VALUES ($1, $2, $3)"


class Peer:
    """One client with a persistent session, one connection to the database."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    async def drain(self, mqtt_port: int, client_id: str, dsn: str, count: int) -> dict[str, Any]:
        """Take `count` messages from the session that is kept in this name; elapsed seconds of the first and last."""
        connection = await asyncpg.connect(dsn, timeout=10)
        await connection.execute(TABLE)
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        kept.SessionExpiryInterval = SESSION_S
        settle()
        client = aiomqtt.Client(
            "127.0.0.1",
            mqtt_port,
            identifier=client_id,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=kept,
        )
        try:
            async with client:
                return await self._insert(client, connection, count)
        finally:
            await connection.close(timeout=5)

    async def _insert(self, client: aiomqtt.Client, connection: asyncpg.Connection[Any], count: int) -> dict[str, Any]:
        began_s, done = self._clock.elapsed(), 0
        async for message in client.messages:
            assert isinstance(message.payload, bytes)
            await connection.execute(INSERT, str(message.topic), message.payload.decode(), self._clock.now())
            done += 1
            if done == 1:
                began_s = self._clock.elapsed()
            if done == count:
                break
        return {"began_s": began_s, "ended_s": self._clock.elapsed(), "inserted": done}

    async def close(self) -> None:
        """Nothing is left open."""


if __name__ == "__main__":
    uvloop.run(serve(Peer()))
