"""Terminals of a fleet: each keeps a connection of its own alive, leaves a will, backs off with jitter when it is lost,
and repeats a press until it hears `stored`. As thin as `benchmarks.terminal`, and as stubborn as a real one.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import mqtt5
import msgspec

from benchmarks.packets import Packets
from benchmarks.stand import CENTRE
from dispatch.clock import limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatch.clock import Clock

KEEP_ALIVE_S = 60
PING_EVERY_S = 40.0
SESSION_S = 3600
CONNECT_WITHIN_S = 20.0
FIRST_WAIT_S = 8.0
LONGEST_WAIT_S = 16.0
"""After a loss a terminal waits a part, drawn by chance, of 8 s; then of 16 s after each failure."""

FIRST_REPEAT_S = 1.0
LONGEST_REPEAT_S = 60.0
PER_ADDRESS = 20_000
"""Connections from one loopback address: it has some 28,000 ports."""

QOS_1 = mqtt5.QoS.AT_LEAST_ONCE
PING = mqtt5.PingReqPacket().write()


class _Receipt(msgspec.Struct):
    alarm_id: str
    stage: str


_receipt = msgspec.json.Decoder(_Receipt)


@dataclass
class _Press:
    payload: bytes
    repeat_after_s: float = FIRST_REPEAT_S
    repeating: asyncio.TimerHandle | None = None


@dataclass(frozen=True)
class Heard:
    """Told of each terminal: a subscription that stands, a connection that was lost, an alarm that is stored."""

    back: Callable[[str], None]
    lost: Callable[[str], None]
    stored: Callable[[str], None]


@dataclass
class Counts:
    """Of all terminals together."""

    connects: int = 0
    failures: int = 0


@dataclass
class FleetTerminal(asyncio.Protocol):
    """One terminal; `live` keeps it connected until cancelled."""

    number: int
    terminal_id: str
    port: int
    clock: Clock
    heard: Heard
    counts: Counts
    _sessions: int = 0
    _packet_id: int = 0
    _packets: Packets = field(default_factory=Packets)
    _transport: asyncio.Transport | None = None
    _is_up: bool = False
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    _down: asyncio.Event = field(default_factory=asyncio.Event)
    _presses: dict[str, _Press] = field(default_factory=dict)

    async def live(self, first_wait_s: float) -> None:
        """Connect after so many seconds, and again whenever the connection is lost."""
        await self.clock.sleep(first_wait_s)
        pinging = asyncio.get_running_loop().call_later(self.clock.jitter(PING_EVERY_S), self._ping)
        wait_s = FIRST_WAIT_S
        try:
            while True:
                if await self._connect():
                    wait_s = FIRST_WAIT_S
                    await self._down.wait()
                else:
                    self.counts.failures += 1
                await self.clock.sleep(self.clock.jitter(wait_s))
                wait_s = LONGEST_WAIT_S
        finally:
            pinging.cancel()
            if self._transport is not None:
                self._transport.abort()

    def press(self, alarm_id: str) -> None:
        """Press the red key: the alarm is said again and again until it is stored."""
        said = {"id": alarm_id, "at": self.clock.now().isoformat(), "key": "sos", "battery": 87}
        self._presses[alarm_id] = _Press(msgspec.json.encode(said))
        self._say(alarm_id)

    # --- connecting

    async def _connect(self) -> bool:
        self._down.clear()
        self._up.clear()
        line = socket.socket()
        try:
            async with limit(CONNECT_WITHIN_S):
                await self._dial(line)
                await self._up.wait()
        except (OSError, TimeoutError):
            line.close()
            if self._transport is not None:
                self._transport.abort()
            return False
        return self._is_up

    async def _dial(self, line: socket.socket) -> None:
        """Connect from the loopback address that this terminal's ports come from; no name is looked up."""
        loop = asyncio.get_running_loop()
        line.setblocking(False)
        line.bind((f"127.0.0.{2 + self.number // PER_ADDRESS}", 0))
        await loop.sock_connect(line, ("127.0.0.1", self.port))
        await loop.create_connection(lambda: self, sock=line)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._packets = Packets()
        self._sessions += 1
        will = mqtt5.Will(self._topic("state"), payload=self._state("lost"), qos=QOS_1)
        hello = mqtt5.ConnectPacket(
            self.terminal_id, will=will, keep_alive=KEEP_ALIVE_S, session_expiry_interval=SESSION_S
        )
        self._transport.write(hello.write())

    def connection_lost(self, _problem: Exception | None) -> None:
        self._transport = None
        was_up, self._is_up = self._is_up, False
        self._up.set()  # whoever waits for it sees that it is not
        self._down.set()
        if was_up:
            self.heard.lost(self.terminal_id)

    # --- what is said

    def _topic(self, last: str) -> str:
        return f"onekey/1/{CENTRE}/{self.terminal_id}/{last}"

    def _state(self, state: str) -> bytes:
        return msgspec.json.encode(
            {"state": state, "session": f"{self._sessions}", "at": self.clock.now().isoformat(), "firmware": "1.0"}
        )

    def _publish(self, last: str, payload: bytes) -> None:
        assert self._transport is not None
        self._packet_id = self._packet_id % 60_000 + 1
        packet = mqtt5.PublishPacket(self._topic(last), payload, qos=QOS_1, packet_id=self._packet_id)
        self._transport.write(packet.write())

    def _say(self, alarm_id: str) -> None:
        press = self._presses.get(alarm_id)
        if press is None or not self._is_up:
            return  # stored, or said when the connection is back
        self._publish("alarm", press.payload)
        wait_s = min(LONGEST_REPEAT_S, press.repeat_after_s)
        press.repeat_after_s = 2 * wait_s
        if press.repeating is not None:
            press.repeating.cancel()
        press.repeating = asyncio.get_running_loop().call_later(wait_s, self._say, alarm_id)

    def _ping(self) -> None:
        if self._is_up and self._transport is not None:
            self._transport.write(PING)
        asyncio.get_running_loop().call_later(PING_EVERY_S, self._ping)

    # --- what is heard

    def data_received(self, data: bytes) -> None:
        for packet in self._packets.feed(data):
            self._take(packet)

    def _take(self, packet: mqtt5.Packet) -> None:
        assert self._transport is not None
        match packet:
            case mqtt5.PublishPacket():
                receipt = _receipt.decode(packet.payload)
                if receipt.stage == "stored" and self._presses.pop(receipt.alarm_id, None) is not None:
                    self.heard.stored(receipt.alarm_id)
                if packet.packet_id is not None:
                    self._transport.write(mqtt5.PubAckPacket(packet.packet_id).write())
            case mqtt5.ConnAckPacket():
                wanted = mqtt5.TopicFilter(self._topic("receipt"), max_qos=QOS_1)
                self._transport.write(mqtt5.SubscribePacket(65_535, [wanted]).write())
            case mqtt5.SubAckPacket():
                self._begin()

    def _begin(self) -> None:
        self._is_up = True
        self.counts.connects += 1
        self._publish("state", self._state("ready"))
        for alarm_id, press in self._presses.items():
            press.repeat_after_s = FIRST_REPEAT_S
            self._say(alarm_id)
        self._up.set()
        self.heard.back(self.terminal_id)
