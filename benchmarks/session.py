"""Another's session at the broker, straight on the `mqtt5` codec: made before they come, looked at when they left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import mqtt5

from benchmarks.packets import Packets
from dispatch.clock import limit

if TYPE_CHECKING:
    from dispatch.clock import Clock

WITHIN_S = 10.0
SESSION_S = 86_400


class Session(asyncio.Protocol):
    """One connection in the name of `client_id`. It confirms nothing, so what it sees stays with the broker."""

    def __init__(self, client_id: str) -> None:
        self._client_id = client_id
        self._packets = Packets()
        self._transport: asyncio.Transport | None = None
        self._connected, self._subscribed = asyncio.Event(), asyncio.Event()
        self.seen = 0

    async def open(self, port: int, topic_filter: str) -> bool:
        """Make the session, subscribe and leave it to the broker."""
        await self._connect(port)
        wanted = mqtt5.TopicFilter(topic_filter, max_qos=mqtt5.QoS.AT_LEAST_ONCE)
        self._write(mqtt5.SubscribePacket(65_535, [wanted]).write())
        async with limit(WITHIN_S):
            await self._subscribed.wait()
        self._leave()
        return True

    async def left(self, port: int, quiet_s: float, clock: Clock) -> int:
        """How many messages come; returns when none came for `quiet_s`."""
        await self._connect(port)
        seen = -1
        while seen != self.seen:
            seen = self.seen
            await clock.sleep(quiet_s)
        self._leave()
        return seen

    async def _connect(self, port: int) -> None:
        async with limit(WITHIN_S):
            await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
            await self._connected.wait()

    def _leave(self) -> None:
        self._write(mqtt5.DisconnectPacket().write())
        assert self._transport is not None
        self._transport.close()

    def _write(self, packet: bytes) -> None:
        assert self._transport is not None
        self._transport.write(packet)

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        hello = mqtt5.ConnectPacket(
            self._client_id, clean_start=False, session_expiry_interval=SESSION_S, receive_max=65_535
        )
        self._write(hello.write())

    def data_received(self, data: bytes) -> None:
        for packet in self._packets.feed(data):
            match packet:
                case mqtt5.ConnAckPacket():
                    self._connected.set()
                case mqtt5.SubAckPacket():
                    self._subscribed.set()
                case mqtt5.PublishPacket():
                    self.seen += 1
