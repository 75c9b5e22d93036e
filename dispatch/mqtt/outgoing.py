"""What was given to be published, until the broker has it. No I/O: bytes to write come out, acknowledgements go in."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING

import mqtt5

from dispatch.errors import BadInput, DispatchError, Refused, Unreachable
from dispatch.mqtt.wire import PACKET_MAX_BYTES

if TYPE_CHECKING:
    import asyncio

ID_MAX = 65_534
"""Highest packet id given to a message; 65,535 is kept for the one SUBSCRIBE of a connection."""

_WRITE_BYTES = 1 << 16
_REFUSED_FROM = 0x80
_NO_SUBSCRIBERS = 0x10


class _Publish:
    """One message on its way. It keeps its packet id over a reconnect for as long as the broker keeps the session."""

    __slots__ = ("future", "in_flight", "packet_id", "payload", "qos", "retain", "topic", "until", "written")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        qos: int,
        until: float | None,
        future: asyncio.Future[bool],
        *,
        retain: bool,
    ) -> None:
        self.topic, self.payload, self.qos, self.retain = topic, payload, qos, retain
        self.until, self.future = until, future
        self.packet_id: int | None = None
        self.written = self.in_flight = False

    def encode(self, now_s: float) -> bytes:
        return mqtt5.PublishPacket(
            self.topic,
            self.payload,
            qos=mqtt5.QoS(self.qos),
            retain=self.retain,
            packet_id=self.packet_id,
            duplicate=self.written,
            message_expiry_interval=None if self.until is None else max(1, ceil(self.until - now_s)),
        ).write()

    def fail(self, error: DispatchError) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # whoever does not care to look must not fill the log


class Outgoing:
    """A queue in order, a window of unacknowledged messages no wider than the broker allows, and what to send again."""

    def __init__(self, queue_max: int) -> None:
        self._queue: deque[_Publish] = deque()
        self._queue_max = queue_max
        self._by_id: dict[int, _Publish] = {}
        self._in_flight = 0
        self._last_id = 0
        self._window = 0
        self._packet_max = PACKET_MAX_BYTES
        self._closed = False

    def __len__(self) -> int:
        """Messages the broker has not taken over yet."""
        return len(self._queue) + self._in_flight

    def add(
        self, topic: str, payload: bytes, qos: int, until: float | None, future: asyncio.Future[bool], *, retain: bool
    ) -> None:
        """Queue one message; its future fails with Unreachable if there is no room or no hope for it any more."""
        item = _Publish(topic, payload, qos, until, future, retain=retain)
        if self._closed:
            item.fail(Unreachable("mqtt_closed"))
        elif len(self) >= self._queue_max:
            item.fail(Unreachable("mqtt_queue_full", waiting=len(self)))
        else:
            self._queue.append(item)

    def opened(self, *, session_present: bool, window: int, packet_max: int | None) -> None:
        """A connection stands. Without a session the broker has forgotten our packet ids, so all begin anew."""
        self._window = window
        self._packet_max = packet_max or PACKET_MAX_BYTES
        if not session_present:
            for item in self._by_id.values():
                item.packet_id, item.written = None, False
            self._by_id.clear()

    def lost(self) -> None:
        """The connection is gone: what was unacknowledged goes first on the next one, in its old order."""
        again = [item for item in self._by_id.values() if item.in_flight]  # in the order they were first sent
        for item in again:
            item.in_flight = False
        self._queue.extendleft(reversed(again))
        self._in_flight = self._window = 0

    def take(self, now_s: float) -> tuple[bytes, int]:
        """Bytes that may be written now (up to about 64 KiB) and how many messages they are; `(b"", 0)` if none may."""
        packets: list[bytes] = []
        size = 0
        while self._queue and size < _WRITE_BYTES:
            if self._queue[0].qos and self._in_flight >= self._window:
                break
            packet = self._next(self._queue.popleft(), now_s)
            if packet is not None:
                packets.append(packet)
                size += len(packet)
        return b"".join(packets), len(packets)

    def _next(self, item: _Publish, now_s: float) -> bytes | None:
        if item.future.cancelled() or (item.until is not None and item.until <= now_s):
            item.fail(Unreachable("mqtt_message_expired"))
            self._forget(item)
            return None
        if item.qos and item.packet_id is None:
            item.packet_id = self._new_id()
            self._by_id[item.packet_id] = item
        try:
            packet = item.encode(now_s)
        except (ValueError, OverflowError) as problem:  # UnicodeEncodeError is a ValueError
            item.fail(BadInput("mqtt_cannot_be_sent", reason=str(problem)))
            self._forget(item)
            return None
        if len(packet) > self._packet_max:
            item.fail(Refused("mqtt_packet_too_large", bytes=len(packet), bytes_max=self._packet_max))
            self._forget(item)
            return None
        if item.qos:
            item.written = item.in_flight = True
            self._in_flight += 1
        elif not item.future.done():
            item.future.set_result(True)
        return packet

    def _forget(self, item: _Publish) -> None:
        if item.packet_id is not None:
            del self._by_id[item.packet_id]

    def _new_id(self) -> int:
        while True:
            self._last_id = self._last_id % ID_MAX + 1
            if self._last_id not in self._by_id:
                return self._last_id

    def acknowledged(self, packet_id: int, reason: int) -> bool:
        """The broker answered: resolve that message's future; False if no such message was on its way."""
        item = self._by_id.get(packet_id)
        if item is None or not item.in_flight:
            return False
        self._forget(item)
        self._in_flight -= 1
        if reason >= _REFUSED_FROM:
            item.fail(Refused("mqtt_publish_refused", reason=reason))
        elif not item.future.done():
            item.future.set_result(reason != _NO_SUBSCRIBERS)
        return True

    def close(self) -> None:
        """Nothing will be sent any more: every future left fails with Unreachable."""
        self.lost()
        self._closed = True
        while self._queue:
            self._queue.popleft().fail(Unreachable("mqtt_closed"))
        self._by_id.clear()
