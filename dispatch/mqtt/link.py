"""The life of one TCP connection: the handshake, the keep-alive, packets in, bytes out. It never reconnects."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import mqtt5

from dispatch.mqtt import wire
from dispatch.mqtt.nouns import Message, Subscription, Unreadable
from dispatch.mqtt.outgoing import ID_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

READY_LIMIT_S = 20.0
"""From TCP to the end of the handshake; a broker that hands over a full queue first still answers in a second."""

TICKS_PER_KEEP_ALIVE = 4
PING_AFTER_TICKS = 2
LOST_AFTER_TICKS = 6
"""Silence is counted in ticks of our own, not in seconds: when we ourselves were frozen, the first thing that runs
afterwards must not be the verdict that the broker was silent meanwhile."""

_SUBSCRIBE_ID = ID_MAX + 1
_PINGREQ = mqtt5.PingReqPacket().write()
_QOS_UNSUPPORTED = 0x83  # in a PUBREC: "implementation specific error", which ends the exchange (section 4.3.3)


@dataclass(frozen=True, slots=True)
class Ears:
    """Whom a link tells what happens. Messages may come before `ready`: a kept session talks first."""

    ready: Callable[[mqtt5.ConnAckPacket], None]
    """The broker accepted us and all our subscriptions."""
    received: Callable[[list[Message]], None]
    """All messages that arrived together."""
    unreadable: Callable[[Unreadable], None]
    """A packet that cannot be read, set apart."""
    token: Callable[[bytes], int]
    """Asks for the name of one delivery; the bytes are what to write to acknowledge it."""
    published: Callable[[int, int], None]
    """The broker's answer to one of our messages: packet id and reason code."""
    may_write: Callable[[], None]
    """The transport takes more."""


def subscribe_packet(subscriptions: Sequence[Subscription]) -> bytes:
    """SUBSCRIBE that never asks for what the broker keeps retained: 40,000 of those at each reconnect help nobody."""
    filters = [
        mqtt5.TopicFilter(
            each.topic_filter,
            max_qos=mqtt5.QoS(each.qos),
            no_local=each.no_local,
            retain_as_published=False,
            retain_handling=mqtt5.RetainHandling.SEND_NEVER,
        )
        for each in subscriptions
    ]
    return mqtt5.SubscribePacket(_SUBSCRIBE_ID, filters).write()


def _said(name: str, text: str | None) -> str:
    return f"{name.lower()} ({text})" if text else name.lower()


class Link(asyncio.Protocol):
    """One TCP connection. `lost` resolves with the reason when it has ended; the first reason given is kept."""

    def __init__(self, ears: Ears, connect: mqtt5.ConnectPacket, subscriptions: Sequence[Subscription]) -> None:
        self._ears = ears
        self._connect = connect
        self._subscriptions = subscriptions
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = self._loop.create_future()
        self.paused = False
        self._reason: str | None = None
        self._transport: asyncio.Transport | None = None
        self._stream = wire.Stream()
        self._connack: mqtt5.ConnAckPacket | None = None
        self._keep_alive_s = connect.keep_alive
        self._silent_ticks = self._idle_ticks = 0
        self._ready_by: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        tcp = transport.get_extra_info("socket")
        if tcp is not None:
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.write(self._connect.write())
        self._ready_by = self._loop.call_later(READY_LIMIT_S, self.drop, "no_answer")
        self._set_ticker()

    def data_received(self, data: bytes) -> None:
        self._silent_ticks = 0
        messages: list[Message] = []
        for packet in self._stream.feed(data):
            if type(packet) is mqtt5.PublishPacket:
                self._take(packet, messages)
            else:
                self._other(packet)
        if messages:
            self._ears.received(messages)

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False
        self._ears.may_write()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._ready_by, self._ticker):
            if timer is not None:
                timer.cancel()
        if not self.lost.done():
            self.lost.set_result(self._reason or (str(exc) if exc else "closed_by_broker"))

    # --- for the connection

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport; those written after the end go nowhere, and the connection hears of the loss."""
        if self._transport is not None and not self._transport.is_closing():
            self._idle_ticks = 0
            self._transport.write(data)

    def drop(self, reason: str) -> None:
        """End at once, without a good-bye: the broker publishes our will, if any, and keeps the session."""
        self._reason = self._reason or reason
        if self._transport is not None:
            self._transport.abort()

    def leave(self) -> None:
        """Say good-bye and end once everything written so far has gone out; the session is kept.

        Whoever left a will wants it published after a good-bye as well: it says that nobody is here any more.
        """
        self._reason = self._reason or "left"
        if self._transport is not None:
            code = mqtt5.DisconnectReasonCode
            reason = code.DISCONNECT_WITH_WILL_MESSAGE if self._connect.will else code.NORMAL_DISCONNECTION
            self.write(mqtt5.DisconnectPacket(reason_code=reason).write())
            self._transport.close()

    # --- inside

    def _set_ticker(self) -> None:
        self._ticker = self._loop.call_later(self._keep_alive_s / TICKS_PER_KEEP_ALIVE, self._tick)

    def _tick(self) -> None:
        self._silent_ticks += 1
        self._idle_ticks += 1
        if self._silent_ticks >= LOST_AFTER_TICKS:
            self.drop("silent")
            return
        if PING_AFTER_TICKS in (self._silent_ticks, self._idle_ticks):
            self.write(_PINGREQ)
        self._set_ticker()

    def _take(self, packet: mqtt5.PublishPacket, messages: list[Message]) -> None:
        topic, packet_id = packet.topic, packet.packet_id  # the codec makes each anew whenever it is asked
        qos = packet.qos.value  # its enums are no ints, whatever its stubs say
        if qos > 1 or packet_id == 0 or "\x00" in topic:  # none of which the standard or we allow
            why = "qos_2" if qos > 1 else "packet_id_0" if packet_id == 0 else "nul_in_topic"
            self._set_apart(wire.Broken(wire.PUBLISH, packet.write(), why, qos, packet_id or 0, wire.shown(topic)))
            return
        token = None if packet_id is None else self._ears.token((0x4002_0000 | packet_id).to_bytes(4))
        messages.append(Message(topic, packet.payload, qos, packet.retain, token))

    def _set_apart(self, broken: wire.Broken) -> None:
        token = None
        if broken.packet_id:
            receipt = (0x4002_0000 | broken.packet_id).to_bytes(4)
            if broken.qos > 1:  # a PUBREC with an error ends the exchange; a PUBACK would be a breach of protocol
                receipt = b"\x50\x03" + broken.packet_id.to_bytes(2) + bytes([_QOS_UNSUPPORTED])
            token = self._ears.token(receipt)
        self._ears.unreadable(Unreadable(broken.raw, broken.reason, token, broken.topic))

    def _other(self, packet: mqtt5.Packet | wire.Broken | wire.Torn) -> None:
        match packet:
            case mqtt5.PubAckPacket():
                self._ears.published(packet.packet_id, packet.reason_code.value)
            case wire.Broken(kind=wire.PUBLISH):
                self._set_apart(packet)
            case wire.Broken(kind=wire.PUBACK):
                self._ears.published(packet.packet_id, 0x80)
            case mqtt5.PingRespPacket() | wire.Broken(kind=wire.PINGRESP):
                pass
            case mqtt5.ConnAckPacket():
                self._greeted(packet)
            case mqtt5.SubAckPacket():
                self._subscribed(packet)
            case mqtt5.DisconnectPacket():
                self.drop(_said(packet.reason_code.name, packet.reason_str))
            case wire.Broken() | wire.Torn():
                self.drop(packet.reason)
            case _:
                self.drop(f"unexpected_{type(packet).__name__.lower()}")

    def _greeted(self, connack: mqtt5.ConnAckPacket) -> None:
        if connack.reason_code != mqtt5.ConnAckReasonCode.SUCCESS:
            self.drop(_said(f"refused_{connack.reason_code.name}", connack.reason_str))
            return
        self._connack = connack
        self._keep_alive_s = connack.server_keep_alive or self._keep_alive_s
        if self._subscriptions:
            self.write(subscribe_packet(self._subscriptions))
        else:
            self._be_ready(connack)

    def _subscribed(self, suback: mqtt5.SubAckPacket) -> None:
        for subscription, code in zip(self._subscriptions, suback.reason_codes, strict=False):
            if code.value >= 0x80:  # deaf on one topic is not "connected"
                self.drop(_said(f"subscription_refused_{code.name}", subscription.topic_filter))
                return
        if self._connack is not None:
            self._be_ready(self._connack)

    def _be_ready(self, connack: mqtt5.ConnAckPacket) -> None:
        if self._ready_by is not None:
            self._ready_by.cancel()
        self._ears.ready(connack)
