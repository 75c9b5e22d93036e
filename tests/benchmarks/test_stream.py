"""A stream goes out no faster than it is told to."""

from __future__ import annotations

import asyncio

from benchmarks.stream import Publisher


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))


async def test_what_was_released_and_not_needed_does_not_hurry_the_next_stream():
    publisher, wire = Publisher("p"), Wire()
    publisher.connection_made(wire)
    publisher.release(100)  # nothing waits
    publisher.begin()
    publisher.queue.extend([b"one", b"two", b"three"])

    publisher.release(1)

    assert wire.written[1:] == [b"one"]
