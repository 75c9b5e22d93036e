"""A stream of messages, from a process of its own: `python -m benchmarks.stream` takes commands as `benchmarks.load`.

A few connections straight on the `mqtt5` codec publish for many terminals, as fast as the broker takes it or at a rate.
What they publish is made before the time starts; while it runs they only write, and count what the broker confirms.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast

import mqtt5
import msgspec
import uvloop

from benchmarks.commands import serve, settle
from benchmarks.packets import Packets
from benchmarks.register import terminal_id
from benchmarks.session import Session
from dispatch.clock import SystemClock, limit

KEEP_ALIVE_S = 1800
CONNECT_WITHIN_S = 10.0
WINDOW_MAX = 1_000
"""Messages that one connection has out unconfirmed; fewer if the broker asks for it."""

PACE_EVERY_S = 0.01
CROSSES_EVERY = 97
"""One reading in so many crosses a limit and the next is clear again: watched for a moment, and no alarm."""


class Publisher(asyncio.Protocol):
    """One connection. Packets wait in `queue`; `released` of them may be on their way by now."""

    def __init__(self, client_id: str) -> None:
        loop = asyncio.get_running_loop()
        self._hello = mqtt5.ConnectPacket(client_id, keep_alive=KEEP_ALIVE_S).write()
        self._packets = Packets()
        self._window = WINDOW_MAX
        self._unconfirmed = self._released = 0
        self._transport: asyncio.Transport | None = None
        self.queue: deque[bytes] = deque()
        self.ready: asyncio.Future[None] = loop.create_future()
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Forget what was released and not needed: the next messages wait for leave of their own."""
        assert not self.queue
        assert not self._unconfirmed
        self._released = 0
        self.done.clear()

    def release(self, count: int) -> None:
        """Let so many more go out, as the window allows."""
        self._released += count
        self._pump()

    def leave(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        for packet in self._packets.feed(data):
            if type(packet) is mqtt5.PubAckPacket:
                self._unconfirmed -= 1
            elif type(packet) is mqtt5.ConnAckPacket:
                self._window = min(WINDOW_MAX, packet.receive_max)
                self.ready.set_result(None)
        self._pump()

    def connection_lost(self, problem: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(problem or ConnectionResetError("the broker hung up"))

    def _pump(self) -> None:
        room = min(self._window - self._unconfirmed, self._released, len(self.queue))
        if room > 0:
            assert self._transport is not None
            self._transport.write(b"".join([self.queue.popleft() for _ in range(room)]))
            self._unconfirmed += room
            self._released -= room
        elif not self.queue and not self._unconfirmed:
            self.done.set()


class Stream:
    """All publishers of this process, and what they are told to publish."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._publishers: list[Publisher] = []

    async def connect(self, mqtt_port: int, publishers: int) -> dict[str, Any]:
        """Connect so many publishers."""
        loop = asyncio.get_running_loop()
        for n in range(publishers):
            publisher = Publisher(f"stream-{n}")
            async with limit(CONNECT_WITHIN_S):
                await loop.create_connection(partial(_same, publisher), "127.0.0.1", mqtt_port)
                await publisher.ready
            self._publishers.append(publisher)
        return {"connected": publishers}

    async def session(self, mqtt_port: int, client_id: str, topic_filter: str) -> dict[str, Any]:
        """Subscribe in another's name, and leave: from now on the broker keeps what comes for it."""
        return {"kept": await Session(client_id).open(mqtt_port, topic_filter)}

    async def left(self, mqtt_port: int, client_id: str, quiet_s: float) -> dict[str, Any]:
        """How many messages the broker still keeps in another's name; looked at until it says no more for a while."""
        return {"left": await Session(client_id).left(mqtt_port, quiet_s, self._clock)}

    async def publish(
        self,
        what: str,
        centre_id: str,
        terminals: int,
        count: int,
        rate_per_s: float = 0.0,
        mark: str = "",
        first: int = 0,
    ) -> dict[str, Any]:
        """Publish `count` readings (`vitals`) or presses (`sos`, `family`); returns when the broker has confirmed all.

        The terminals take turns, the first of them first. A `rate_per_s` of 0 is as fast as the broker takes them.
        `began_s` and `confirmed_s` are elapsed seconds.
        """
        self._prepare(what, centre_id, range(first, first + count), terminals, mark)
        settle()
        began_s = self._clock.elapsed()
        if rate_per_s:
            await self._release_paced(count, rate_per_s, began_s)
        else:
            for publisher in self._publishers:
                publisher.release(count)
        await asyncio.gather(*(publisher.done.wait() for publisher in self._publishers))
        return {"began_s": began_s, "confirmed_s": self._clock.elapsed(), "published": count}

    async def close(self) -> None:
        """Hang all up."""
        for publisher in self._publishers:
            publisher.leave()

    def _prepare(self, what: str, centre_id: str, turns: range, terminals: int, mark: str) -> None:
        now, publishers = self._clock.now(), self._publishers
        topic, make = SAYS[what]
        topics = [f"onekey/1/{centre_id}/{terminal_id(n)}/{topic}" for n in range(terminals)]
        for publisher in publishers:
            publisher.begin()
        for n, turn in enumerate(turns):
            number = turn % terminals
            payload = msgspec.json.encode(make(n, now, mark))
            # Each terminal speaks over one connection, so that its messages stay in order.
            publisher = publishers[number % len(publishers)]
            packet_id = 1 + len(publisher.queue) % 65_535
            packet = mqtt5.PublishPacket(topics[number], payload, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=packet_id)
            publisher.queue.append(packet.write())

    async def _release_paced(self, count: int, rate_per_s: float, began_s: float) -> None:
        released = 0
        while released < count:
            due = min(count, int((self._clock.elapsed() - began_s) * rate_per_s))
            share, rest = divmod(due - released, len(self._publishers))
            for n, publisher in enumerate(self._publishers):
                publisher.release(share + (n < rest))
            released = due
            await self._clock.sleep(PACE_EVERY_S)
        for publisher in self._publishers:
            publisher.release(count)  # what is left where shares did not come out even


def _same(publisher: Publisher) -> Publisher:
    return publisher


def reading(n: int, now: datetime, _mark: str) -> dict[str, Any]:
    """The n-th reading: pulse and oxygen, now and then temperature or blood pressure."""
    said: dict[str, Any] = {
        "at": (now + timedelta(microseconds=33 * n)).isoformat(),
        "heart_rate_bpm": 135 if n % CROSSES_EVERY == 0 else 60 + n % 30,
        "spo2_percent": 95 + n % 5,
    }
    if n % 10 == 3:
        said |= {"temperature_c": 36.1 + n % 7 / 10, "temperature_site": "wrist"}
    if n % 20 == 7:
        said |= {"systolic_mmhg": 118 + n % 20, "diastolic_mmhg": 70 + n % 12}
    return said


def press(n: int, now: datetime, mark: str, key: str = "sos") -> dict[str, Any]:
    """The n-th press of a key."""
    return {"id": f"{mark}-{n}", "at": now.isoformat(), "key": key, "battery": 87}


SAYS: dict[str, tuple[str, Callable[[int, datetime, str], dict[str, Any]]]] = {
    "vitals": ("vitals", reading),
    "sos": ("alarm", press),
    "family": ("alarm", partial(press, key="family")),
}
"""On which topic something is said, and how."""


if __name__ == "__main__":
    uvloop.run(serve(Stream()))
