"""Terminals for measuring: one TCP connection each, straight on the `mqtt5` codec, and as thin as they can be.

They share no code with the service's own MQTT, and do not repeat themselves: a press is published once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import mqtt5
import msgspec

from benchmarks.packets import Packets
from dispatch.clock import limit

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from dispatch.clock import Clock

KEEP_ALIVE_S = 1800
"""Longer than any measurement, so that no ping falls into one."""

SESSION_S = 3600
CONNECT_WITHIN_S = 10.0
CONNECTING_AT_ONCE = 64
"""Fewer than a broker keeps waiting to be let in (Mosquitto: 100); one more waits a second for its next try."""


class _Receipt(msgspec.Struct):
    alarm_id: str
    stage: str


_receipt = msgspec.json.Decoder(_Receipt)


class BenchTerminal(asyncio.Protocol):
    """One terminal. `on_stored` gets each alarm's id and the clock's elapsed seconds when its receipt came."""

    def __init__(self, centre_id: str, terminal_id: str, clock: Clock, on_stored: Callable[[str, float], None]) -> None:
        self._topic = f"onekey/1/{centre_id}/{terminal_id}"
        self._id = terminal_id
        self._clock, self._on_stored = clock, on_stored
        self._packets = Packets()
        self._last_packet_id = 0
        self._transport: asyncio.Transport | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def packet(self, alarm_id: str, at: datetime) -> bytes:
        """The bytes of one press of the red key."""
        self._last_packet_id += 1
        said = {"id": alarm_id, "at": at.isoformat(), "key": "sos", "battery": 87}
        return mqtt5.PublishPacket(
            f"{self._topic}/alarm",
            msgspec.json.encode(said),
            qos=mqtt5.QoS.AT_LEAST_ONCE,
            packet_id=self._last_packet_id,
        ).write()

    def write(self, packet: bytes) -> None:
        """Put bytes on the wire."""
        assert self._transport is not None
        self._transport.write(packet)

    def leave(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        hello = mqtt5.ConnectPacket(self._id, keep_alive=KEEP_ALIVE_S, session_expiry_interval=SESSION_S)
        self.write(hello.write())

    def data_received(self, data: bytes) -> None:
        for packet in self._packets.feed(data):
            self._take(packet)

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(problem or ConnectionResetError("the broker hung up"))

    def _take(self, packet: mqtt5.Packet) -> None:
        match packet:
            case mqtt5.PublishPacket():
                receipt = _receipt.decode(packet.payload)
                if receipt.stage == "stored":
                    self._on_stored(receipt.alarm_id, self._clock.elapsed())
                if packet.packet_id is not None:
                    self.write(mqtt5.PubAckPacket(packet.packet_id).write())
            case mqtt5.ConnAckPacket():
                wanted = mqtt5.TopicFilter(f"{self._topic}/receipt", max_qos=mqtt5.QoS.AT_LEAST_ONCE)
                self.write(mqtt5.SubscribePacket(65_535, [wanted]).write())
            case mqtt5.SubAckPacket() if not self.ready.done():
                self.ready.set_result(None)


async def connect_all(
    port: int, centre_id: str, ids: list[str], clock: Clock, on_stored: Callable[[str, float], None]
) -> list[BenchTerminal]:
    """Connect a terminal for each id to the broker on the loopback; returns when all subscriptions stand."""
    loop = asyncio.get_running_loop()
    room = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def connect(terminal_id: str) -> BenchTerminal:
        async with room:
            terminal = BenchTerminal(centre_id, terminal_id, clock, on_stored)
            async with limit(CONNECT_WITHIN_S):
                await loop.create_connection(lambda: terminal, "127.0.0.1", port)
                await terminal.ready
            return terminal

    return await asyncio.gather(*map(connect, ids))
