"""Readings of many terminals, in a process of its own: `python -m simulator.soak.readings PORT CENTRE RATE`.

A few connections straight on the `mqtt5` codec, which come back when the broker does. RATE is readings a second in all,
0 for as many as the broker takes. What falls due while the broker is away is left out: a terminal measures anew.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, cast

import mqtt5
import msgspec
import uvloop

from dispatch.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatch.clock import Clock

FIRST, TERMINALS = 1_001, 1_000
"""Whose readings they are: T1001 and so on, none of those whose keys are pressed."""

CONNECTIONS = 4
WINDOW = 500
"""Readings that one connection has out unconfirmed."""

PACE_EVERY_S = 0.01
AGAIN_AFTER_S = 0.5
KEEP_ALIVE_S = 1_800


class Publisher(asyncio.Protocol):
    """One connection while it lasts; `gone` is set when it ends."""

    def __init__(self, client_id: str, said: Iterator[tuple[str, bytes]]) -> None:
        self._client_id, self._said = client_id, said
        self._ids = itertools.cycle(range(1, 60_000))
        self._rest = b""
        self._out = 0
        self._is_welcome = False
        self._transport: asyncio.Transport | None = None
        self.gone = asyncio.Event()

    @property
    def room(self) -> int:
        """How many more may go out now."""
        return WINDOW - self._out if self._is_welcome and not self.gone.is_set() else 0

    def publish(self, count: int) -> None:
        """Say the next so many."""
        assert self._transport is not None
        packets = []
        for (topic, payload), packet_id in zip(itertools.islice(self._said, count), self._ids, strict=False):
            packet = mqtt5.PublishPacket(topic, payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id)
            packets.append(packet.write())
        self._out += len(packets)
        self._transport.write(b"".join(packets))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(mqtt5.ConnectPacket(self._client_id, keep_alive=KEEP_ALIVE_S).write())

    def data_received(self, data: bytes) -> None:
        whole, at = memoryview(self._rest + data), 0
        while at < len(whole):
            try:
                packet, length = mqtt5.read(whole[at:])
            except IndexError:  # not all of it is here yet
                break
            at += length
            if type(packet) is mqtt5.PubAckPacket:
                self._out -= 1
            elif type(packet) is mqtt5.ConnAckPacket:
                self._is_welcome = True
        self._rest = bytes(whole[at:])

    def connection_lost(self, _problem: Exception | None) -> None:
        self.gone.set()


def readings(centre_id: str, numbers: range, clock: Clock) -> Iterator[tuple[str, bytes]]:
    """Topic and payload, the terminals in turn; now and then a pulse that is too high for a moment."""
    topics = [f"onekey/1/{centre_id}/T{number}/vitals" for number in numbers]
    for n, topic in enumerate(itertools.cycle(topics)):
        said = {
            "at": (clock.now() + timedelta(microseconds=n % 1000)).isoformat(),
            "heart_rate_bpm": 135 if n % 97 == 0 else 60 + n % 30,
            "spo2_percent": 95 + n % 5,
        }
        yield topic, msgspec.json.encode(said)


async def stay_connected(
    port: int, number: int, centre_id: str, publishers: dict[int, Publisher], clock: Clock
) -> None:
    """Keep one connection up until cancelled."""
    said = readings(centre_id, range(FIRST + number, FIRST + TERMINALS, CONNECTIONS), clock)
    loop = asyncio.get_running_loop()
    while True:
        publisher = publishers[number] = Publisher(f"{centre_id}-soak-{number}", said)
        try:
            await loop.create_connection(partial(_same, publisher), "127.0.0.1", port)
            await publisher.gone.wait()
        except OSError:
            publisher.gone.set()
        await clock.sleep(AGAIN_AFTER_S)


def _same(publisher: Publisher) -> Publisher:
    return publisher


async def pour(port: int, centre_id: str, rate_per_s: float) -> None:
    """Publish until the process is ended."""
    clock, publishers = SystemClock(), dict[int, Publisher]()
    async with asyncio.TaskGroup() as tasks:
        for number in range(CONNECTIONS):
            tasks.create_task(stay_connected(port, number, centre_id, publishers, clock))
        owed, last_s = 0.0, clock.elapsed()
        while True:
            await clock.sleep(PACE_EVERY_S)
            now_s = clock.elapsed()
            owed, last_s = owed + (now_s - last_s) * rate_per_s, now_s
            for number, publisher in list(publishers.items()):
                due = int(owed) // (CONNECTIONS - number % CONNECTIONS) if rate_per_s else WINDOW
                count = min(due, publisher.room)
                if count:
                    publisher.publish(count)
                    owed -= count
            owed = min(owed, rate_per_s * AGAIN_AFTER_S)


if __name__ == "__main__":
    uvloop.run(pour(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
