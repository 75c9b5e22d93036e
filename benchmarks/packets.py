"""MQTT packets out of a stream of bytes, for the thin protocols of the load."""

from __future__ import annotations

import mqtt5


class Packets:
    """Whole packets as they come in; what is not all here yet is kept for the next bytes."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[mqtt5.Packet]:
        """The packets that these bytes complete, in order."""
        whole, found, at = memoryview(self._rest + data), [], 0
        while at < len(whole):
            try:
                packet, length = mqtt5.read(whole[at:])
            except IndexError:  # not all of it is here yet
                break
            at += length
            found.append(packet)
        self._rest = bytes(whole[at:])
        return found
