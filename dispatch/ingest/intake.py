"""One lane's messages, from received to acknowledged: decode, hand on, set apart what cannot be used.

A message is acknowledged when what it said is safe, or when it is parked: MQTT sends again only to a new connection, so
leaving it unacknowledged would be no retry, only a place less. What fails is tried again by halves until the one that
cannot be used stands alone; it stops no other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from msgspec import Struct

from dispatch import logs, mqtt
from dispatch.clock import Clock
from dispatch.crash import crash_at
from dispatch.devices import kinds
from dispatch.devices.kinds import Heard, Lane
from dispatch.errors import Unreachable
from dispatch.model import Alarm, TerminalId, Unreadable

Thing = TypeVar("Thing")

Use = Callable[[Sequence[Heard]], Awaitable[None]]
"""Makes safe what was heard, and returns when it is. Must bear being done again with the same.

Raises Unreachable if later would do (it is then tried again, for ever); anything else means that one of them is bad.
"""

Park = Callable[[Sequence[Unreadable]], Awaitable[None]]
"""Keeps what could not be used, and returns when it is kept."""


class Ledger(Protocol):
    """Hears of everything while it waits to be made safe."""

    def heard(self, things: Iterable[Heard]) -> None:
        """These came in."""

    def settled(self, things: Iterable[Heard]) -> None:
        """These are safe, or parked."""


Press = tuple[TerminalId, str, bytes]
"""Terminal, alarm id and digest."""

SLICE = 250
"""Messages decoded in one go, about 2 ms: nothing else runs meanwhile."""

UNCONFIRMED_MAX = 100_000
"""QoS 0 messages know no flow control; beyond this many waiting they are dropped, and counted."""

RETRY_AFTER_S = 0.2
RETRY_AFTER_S_MAX = 2.0


class Received(Struct, frozen=True, gc=False):
    """A message or a packet as it came, and when."""

    message: mqtt.Message | mqtt.Unreadable
    received_at: datetime


class Decoded(Struct, frozen=True, gc=False):
    """What one message said, and said again while it was not yet safe."""

    message: mqtt.Message | mqtt.Unreadable
    heard: Sequence[Heard]
    again: list[mqtt.Message | mqtt.Unreadable] = []


@dataclass(slots=True)
class IntakeCounts:
    """Numbers since the start, for the metrics."""

    done: int = 0
    unreadable: int = 0
    set_aside: int = 0
    """Readable, but refused by whoever was to keep it."""
    repeats: int = 0
    """Said again while the first of them was not yet safe; done with it."""
    dropped: int = 0
    """QoS 0 messages for which there was no room."""


class Intake:
    """The messages of one lane. `receive` and `receive_unreadable` are for its connection; `run` does the work.

    `batch_max` messages are handed on together, and `at_once` such batches may be under way at the same time; they are
    handed on in the order in which they came. `ledger` hears of each message when it is decoded and when it is safe.

    A press that its terminal repeats while the first is not safe yet is that press: after ten minutes without a
    database nine messages of ten are repeats, and new calls would stand behind them.
    """

    def __init__(
        self,
        lane: Lane,
        clock: Clock,
        use: Use,
        park: Park,
        acknowledge: Callable[[Iterable[mqtt.Message | mqtt.Unreadable]], None],
        *,
        batch_max: int,
        at_once: int,
        ledger: Ledger | None = None,
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._use, self._park, self._acknowledge = use, park, acknowledge
        self._batch_max, self._at_once = batch_max, at_once
        self._queue: deque[Received] = deque()
        self._arrived = asyncio.Event()
        self._decoded: deque[Decoded] = deque()
        self._ready = asyncio.Event()
        self._unsafe: dict[Press, Decoded] = {}
        self._log = logs.get("ingest").bind(lane=lane.value)
        self.counts = IntakeCounts()

    @property
    def waiting(self) -> int:
        """Messages received and not yet begun."""
        return len(self._queue) + len(self._decoded)

    def receive(self, messages: Sequence[mqtt.Message]) -> None:
        """Take in what arrived together."""
        now = self._clock.now()
        if self.waiting > UNCONFIRMED_MAX:
            certain = [message for message in messages if message.token is not None]
            self.counts.dropped += len(messages) - len(certain)
            messages = certain
        self._queue.extend(Received(message, now) for message in messages)
        self._arrived.set()
        crash_at("received")

    def receive_unreadable(self, packet: mqtt.Unreadable) -> None:
        """Take in a packet that the connection could not read."""
        self._queue.append(Received(packet, self._clock.now()))
        self._arrived.set()

    async def run(self) -> None:
        """Work until cancelled. What is under way then is not acknowledged, and comes again."""
        self._unsafe = {press: each for each in self._decoded if (press := _press(each)) is not None}
        async with asyncio.TaskGroup() as stages:
            stages.create_task(self._decode_all())
            stages.create_task(self._settle_all())

    async def _decode_all(self) -> None:
        """Slice by slice, while what was decoded before is being made safe."""
        while True:
            await self._arrived.wait()
            count = min(SLICE, len(self._queue))
            decoded = [_decoded(self._queue.popleft()) for _ in range(count)]
            self._decoded.extend([each for each in decoded if not self._is_repeat(each)])
            if self._ledger is not None:
                self._ledger.heard(heard for each in decoded for heard in each.heard)
            if not self._queue:
                self._arrived.clear()
            if self._decoded:
                self._ready.set()
            await self._clock.sleep(0)

    def _is_repeat(self, decoded: Decoded) -> bool:
        """Whether it says again what waits to be safe; it is then done with that."""
        press = _press(decoded)
        if press is None:
            return False
        first = self._unsafe.setdefault(press, decoded)
        if first is decoded:
            return False
        first.again.append(decoded.message)
        self.counts.repeats += 1
        return True

    async def _settle_all(self) -> None:
        room = asyncio.Semaphore(self._at_once)
        async with asyncio.TaskGroup() as under_way:
            while True:
                await room.acquire()
                await self._ready.wait()
                settling = under_way.create_task(self._settle(self._next_batch()))
                settling.add_done_callback(lambda _: room.release())

    def _next_batch(self) -> list[Decoded]:
        batch = [self._decoded.popleft() for _ in range(min(self._batch_max, len(self._decoded)))]
        if not self._decoded:
            self._ready.clear()
        return batch

    async def _settle(self, batch: list[Decoded]) -> None:
        all_heard = [heard for each in batch for heard in each.heard]
        try:
            await self._patiently(self._use, all_heard)
        except Exception as problem:  # noqa: BLE001 - whatever one bad message raises must not stop the others
            if len(batch) > 1:
                middle = len(batch) // 2
                await self._settle(batch[:middle])
                await self._settle(batch[middle:])
                return
            await self._set_aside(batch[0], problem)
        for each in batch:
            if (press := _press(each)) is not None:
                self._unsafe.pop(press, None)
        messages = [message for each in batch for message in (each.message, *each.again)]
        self.counts.done += len(messages)
        self.counts.unreadable += [type(heard) for heard in all_heard].count(Unreadable)
        self._acknowledge(messages)
        crash_at("after_puback", is_on_its_way=True)
        if self._ledger is not None:
            self._ledger.settled(heard for each in batch for heard in [*each.heard] * (1 + len(each.again)))

    async def _patiently(self, do: Callable[[Sequence[Thing]], Awaitable[None]], what: Sequence[Thing]) -> None:
        """Do it, again and again while what is needed for it is away."""
        retry_after_s = RETRY_AFTER_S
        while True:
            try:
                return await do(what)
            except Unreachable as error:
                self._log.warning("waiting", code=error.code, messages=len(what), **error.params)
            await self._clock.sleep(retry_after_s / 2 + self._clock.jitter(retry_after_s / 2))
            retry_after_s = min(RETRY_AFTER_S_MAX, 2 * retry_after_s)

    async def _set_aside(self, one: Decoded, problem: Exception) -> None:
        self.counts.set_aside += 1
        self._log.error("message_set_aside", topic=one.message.topic, exc_info=problem)
        message, received_at = one.message, one.heard[0].received_at
        payload = message.packet if isinstance(message, mqtt.Unreadable) else message.payload
        terminal_id, detail = one.heard[0].terminal_id, ascii(problem)[:500]
        exhibit = Unreadable(terminal_id, message.topic, payload, "not_usable", detail, received_at)
        try:
            await self._patiently(self._park, [exhibit])
        except Exception:  # noqa: BLE001 - it was logged above; keeping its place for ever would help nobody
            self._log.exception("not_parked", topic=message.topic, size_bytes=len(payload))


def _press(decoded: Decoded) -> Press | None:
    """Which press it is; None if it is none. An exact repeat is the same."""
    heard = decoded.heard[0] if len(decoded.heard) == 1 else None
    return (heard.terminal_id, heard.alarm_id, heard.digest) if isinstance(heard, Alarm) else None


def _decoded(received: Received) -> Decoded:
    """What a message says; a packet that the connection could not read says at least whose it was."""
    message, received_at = received.message, received.received_at
    if isinstance(message, mqtt.Message):
        return Decoded(message, kinds.decode(message.topic, message.payload, received_at))
    terminal_id = kinds.terminal_of(message.topic)
    unreadable = Unreadable(
        terminal_id, message.topic, message.packet, "packet_unreadable", message.reason, received_at
    )
    return Decoded(message, [unreadable])
