"""Time, ids and chance: the only module that reads, waits on or draws any of them.

Everything else is handed a `Clock`. The service gets `SystemClock`; tests and the simulator get `VirtualClock`, on
which an hour passes in a millisecond and a seed decides every id, jitter and chance.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

SLEW_MAX = 0.01
"""How fast our clock is bent towards the wall's, as a share of elapsed time: a jump would fire or starve deadlines."""

WALL_MOVED_BY = "ONEKEY_WALL_MOVED_BY"
"""Names a file with the seconds by which the wall clock is to be off, for tests of what a wrong clock does. They may
change while we run, as a clock that somebody sets does.
"""


class Clock(Protocol):
    """What any part of the system may know about time and chance."""

    def now(self) -> datetime:
        """The present instant, in UTC; never runs backwards."""

    def elapsed(self) -> float:
        """Seconds since some fixed instant, for measuring durations; counts time asleep as well."""

    async def sleep(self, seconds: float) -> None:
        """Return when `seconds` have passed on this clock."""

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Return True as soon as `event` is set, or False when `seconds` have passed on this clock."""

    def new_id(self) -> UUID:
        """A time-ordered id (RFC 9562 version 7), so that index pages fill one after the other."""

    def jitter(self, seconds: float) -> float:
        """A number of seconds drawn evenly from 0 to `seconds`, so that many clients do not act in step."""

    def chances(self, name: str) -> random.Random:
        """A generator of its own for one purpose; on a virtual clock the same seed and name give the same draws."""


def limit(seconds: float) -> asyncio.Timeout:
    """Raise TimeoutError in a block (`async with`) that takes longer than so many *real* seconds.

    It guards I/O with the outside (a socket, the database), which keeps real time even under a virtual clock.
    """
    return asyncio.timeout(seconds)


class _Ids:
    """Version 7 ids that rise strictly within a process, also inside one millisecond (RFC 9562 section 6.2, method 1).

    Messages to one recipient are sent in the order of their ids, so two of one millisecond must not change places.
    """

    def __init__(self) -> None:
        self._tick = 0

    def draw(self, at_s: float, chance: int) -> UUID:
        """An id of that instant (seconds since 1970) with 62 bits of chance; 12 bits count within the millisecond."""
        self._tick = max(int(at_s * 1000) << 12, self._tick + 1)
        return UUID(int=(self._tick >> 12) << 80 | 0x7 << 76 | (self._tick & 0xFFF) << 64 | 0b10 << 62 | chance)


class SystemClock:
    """Wall time at start plus boot time since, bent by at most 1 % towards the wall.

    A wall clock that is set forward or back by hand therefore never fires a deadline early and never freezes one.
    `wall` tells seconds since 1970; the machine's clock does if it is not given.
    """

    def __init__(self, wall: Callable[[], float] | None = None) -> None:
        self._wall = wall or _wall()
        self._wall_at_start = self._wall()
        self._boot_at_start = self._boot()
        self._bent_s = 0.0
        self._bent_until = self._boot_at_start
        self._ids = _Ids()
        # Seeded by the system once: an id must be nobody else's, not unguessable, and the system's own draw is a call
        # into the kernel each time.
        self._draw = random.Random(secrets.randbits(256))  # noqa: S311 - ids open no door

    def _boot(self) -> float:
        """Seconds since the machine started, time asleep included."""
        source = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # macOS has no BOOTTIME
        return time.clock_gettime(source)

    def off_wall_s(self) -> float:
        """Seconds by which the wall clock is ahead of ours; over 2 s somebody should know."""
        return self._wall() - (self._wall_at_start + (self._boot() - self._boot_at_start) + self._bent_s)

    def now(self) -> datetime:
        boot = self._boot()
        room = (boot - self._bent_until) * SLEW_MAX
        if room > 0:
            self._bent_s += max(-room, min(room, self.off_wall_s()))
            self._bent_until = boot
        return datetime.fromtimestamp(self._seconds(boot), UTC)

    def _seconds(self, boot: float) -> float:
        return self._wall_at_start + (boot - self._boot_at_start) + self._bent_s

    def elapsed(self) -> float:
        return self._boot()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def new_id(self) -> UUID:
        return self._ids.draw(self._seconds(self._boot()), self._draw.getrandbits(62))

    def jitter(self, seconds: float) -> float:
        return random.uniform(0, seconds)  # noqa: S311 - spreading load, not keeping a secret

    def chances(self, name: str) -> random.Random:
        return random.Random(f"{secrets.randbits(64)}/{name}")  # noqa: S311 - play, not secrets


def _wall() -> Callable[[], float]:
    """The machine's wall clock, in seconds since 1970."""
    moved_by = os.environ.get(WALL_MOVED_BY)
    if moved_by is None:
        return time.time
    return lambda: time.time() + float(Path(moved_by).read_text())


class VirtualClock:
    """A clock that stands still until it is told to advance.

    Real I/O (a database, a broker) goes on in real time meanwhile; only waiting *for a time* is virtual. Moving the
    event loop's own time instead would make every asyncpg query time out.
    """

    def __init__(self, start: datetime, seed: int = 0) -> None:
        self._now = start
        self._start = start
        self._seed = seed
        self._draw = random.Random(f"{seed}/ids")  # noqa: S311 - replayable on purpose
        self._ids = _Ids()
        self._order = 0
        self._sleepers: list[tuple[datetime, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._now

    def elapsed(self) -> float:
        return (self._now - self._start).total_seconds()

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        async with self._sleeper(seconds) as woken:
            await woken

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        if event.is_set():
            return True
        if seconds <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        async with self._sleeper(seconds) as woken:
            asked = asyncio.ensure_future(event.wait())
            either: set[asyncio.Future[Any]] = {asked, woken}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                return event.is_set()
            finally:
                asked.cancel()

    @asynccontextmanager
    async def _sleeper(self, seconds: float) -> AsyncIterator[asyncio.Future[None]]:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._now + timedelta(seconds=seconds), self._order, woken))
        try:
            yield woken
        finally:
            woken.cancel()

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at exactly its own instant and letting it run before the next."""
        await self.advance_to(self._now + timedelta(seconds=seconds))

    async def advance_to(self, at: datetime) -> None:
        """Move time on to `at`; see `advance`."""
        while self._sleepers and self._sleepers[0][0] <= at:
            due, _, woken = heapq.heappop(self._sleepers)
            if woken.done():
                continue
            self._now = max(self._now, due)
            woken.set_result(None)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        self._now = max(self._now, at)

    def next_wake_at(self) -> datetime | None:
        """When the earliest sleeper wants to wake, or None if nobody sleeps."""
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        return self._sleepers[0][0] if self._sleepers else None

    def new_id(self) -> UUID:
        return self._ids.draw(self._now.timestamp(), self._draw.getrandbits(62))

    def jitter(self, seconds: float) -> float:
        return self._draw.uniform(0, seconds)

    def chances(self, name: str) -> random.Random:
        return random.Random(f"{self._seed}/{name}")  # noqa: S311 - replayable on purpose
