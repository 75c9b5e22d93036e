"""Bytes in, packets out. What the codec cannot read is set apart by hand, so that the rest of the stream goes on."""

from __future__ import annotations

import mqtt5
from msgspec import Struct

PACKET_MAX_BYTES = 1 << 20
"""Longest packet taken. It is announced in CONNECT, so that a broker that keeps the rules never sends a longer one."""

PUBLISH, PUBACK, PINGRESP = 3, 4, 13
_HEADER_MAX_BYTES = 5


class Broken(Struct, frozen=True, gc=False):
    """A packet with clear ends whose inside cannot be read; `packet_id` 0 where it has none or it cannot be told."""

    kind: int
    raw: bytes
    reason: str
    qos: int = 0
    packet_id: int = 0
    topic: str = ""


class Torn(Struct, frozen=True, gc=False):
    """From here on no packet's ends can be told: this connection is of no more use."""

    reason: str


def packet_length(view: memoryview) -> int | None:
    """Bytes from the start of `view` to the end of its first packet, or None while too few are here to tell.

    Raises ValueError if the length is malformed (MQTT 5 section 1.5.5) or over `PACKET_MAX_BYTES`.
    """
    length = 0
    for place, byte in enumerate(view[1:_HEADER_MAX_BYTES]):
        length |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            total = 2 + place + length
            if total > PACKET_MAX_BYTES:
                raise ValueError("packet_too_large")
            return total
    if len(view) >= _HEADER_MAX_BYTES:
        raise ValueError("packet_length_malformed")
    return None


def _body(packet: memoryview) -> memoryview:
    start = 1
    while packet[start] & 0x80:
        start += 1
    return packet[start + 1 :]


def _broken(packet: memoryview, reason: str) -> Broken:
    """Tell by hand what little is needed to park and acknowledge a packet the codec gave up on."""
    kind, qos, packet_id, topic = packet[0] >> 4, 0, 0, ""
    body = _body(packet)
    if kind == PUBLISH:
        qos = packet[0] >> 1 & 0x3
        topic_ends = 2 + int.from_bytes(body[:2])
        if topic_ends <= len(body):
            topic = shown(bytes(body[2:topic_ends]).decode(errors="replace"))
        if qos and topic_ends + 2 <= len(body):
            packet_id = int.from_bytes(body[topic_ends : topic_ends + 2])
    elif kind == PUBACK:
        packet_id = int.from_bytes(body[:2])
    return Broken(kind, bytes(packet), reason, qos, packet_id, topic)


def shown(topic: str) -> str:
    """A topic that can be stored and shown, whatever was sent."""
    return topic.replace("\x00", "\ufffd")


def _plain(problem: BaseException) -> str:
    return f"{type(problem).__name__}: {problem}"[:200]


class Stream:
    """Cuts one connection's bytes into packets; what is incomplete waits for the next bytes.

    No byte is copied more than twice, however small the pieces a long packet arrives in.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = 0
        self._is_torn = False

    def feed(self, data: bytes) -> list[mqtt5.Packet | Broken | Torn]:
        """All packets that are complete now, in order. A `Torn` can only be the last; after it nothing comes."""
        if self._is_torn:
            return []
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return []
            whole = memoryview(self._rest)
        else:
            whole = memoryview(data)
        packets: list[mqtt5.Packet | Broken | Torn] = []
        used = self._cut(whole, packets)
        self._rest = bytearray(whole[used:])
        return packets

    def _cut(self, whole: memoryview, packets: list[mqtt5.Packet | Broken | Torn]) -> int:
        """Append each complete packet of `whole`; how many bytes they were."""
        at, end = 0, len(whole)
        self._wanted = 0
        while at < end:
            try:
                packet, length = mqtt5.read(whole[at:])
                packets.append(packet)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException as problem:  # noqa: BLE001 - the codec panics with a BaseException on a bad topic
                try:
                    length_known = packet_length(whole[at:])
                except ValueError as torn:
                    packets.append(Torn(str(torn)))
                    self._is_torn = True
                    return end
                if length_known is None or at + length_known > end:
                    self._wanted = length_known or 0
                    return at
                length = length_known
                packets.append(_broken(whole[at : at + length], _plain(problem)))
            at += length
        return at
