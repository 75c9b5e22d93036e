"""Readings beside something else: how many the service takes at best, and a steady stream of some share of that."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from statistics import harmonic_mean
from typing import TYPE_CHECKING, Any

from benchmarks.service_says import counter
from benchmarks.stand import CENTRE, Service, Stand
from dispatch.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.processes import LoadProcess

STORED = "dispatch_readings_total"
LOOK_EVERY_S = 0.02
QUIET_S = 10.0
"""When no reading has been stored for so long, those that are missing are lost."""

AHEAD_S = 1.0
"""A stream runs for so long before something else is measured beside it."""

TOP_ROUNDS = 8


class Readings:
    """Readings of the first `topics` terminals, from the process `load` into the service."""

    def __init__(self, on: Stand, load: LoadProcess, service: Service, topics: int) -> None:
        self._on, self._load, self._service, self._topics = on, load, service, topics
        self.sent = 0

    async def at_full_speed(self, count: int) -> dict[str, float]:
        """Readings stored a second, from the first publish until the last is counted as committed, and published."""
        before = await self._stored()
        answer = await self._publish(count, 0.0)
        through_s = await self._until(before + count)
        return {
            "stored_per_s": count / (through_s - answer["began_s"]),
            "published_per_s": count / (answer["confirmed_s"] - answer["began_s"]),
        }

    async def top_per_s(self, count: int) -> float:
        """What the service keeps up at full speed, over all of some short rounds; one before them is for getting warm.

        Short ones: what the service has not taken yet waits at the broker, which keeps 200,000 messages and no more.
        """
        await self.at_full_speed(count)
        rates = [(await self.at_full_speed(count))["stored_per_s"] for _ in range(TOP_ROUNDS)]
        print(f"readings: {', '.join(f'{rate:,.0f}' for rate in rates)} a second at full speed", file=sys.stderr)
        return harmonic_mean(rates)

    @asynccontextmanager
    async def coming(self, per_s: float, seconds: float) -> AsyncIterator[None]:
        """So many a second come while the block runs, which takes at most `seconds`; all are stored when it is left."""
        before, count = await self._stored(), int(per_s * (seconds + 2 * AHEAD_S))
        publishing = asyncio.create_task(self._publish(count, per_s))
        try:
            await self._until(before + per_s * AHEAD_S)
            yield
            await publishing
            await self._until(before + count)
        finally:
            publishing.cancel()

    async def _publish(self, count: int, per_s: float) -> dict[str, Any]:
        words = {"what": "vitals", "centre_id": CENTRE, "terminals": self._topics, "first": self.sent}
        self.sent += count
        return await self._load.ask("publish", **words, count=count, rate_per_s=per_s)

    async def _stored(self) -> float:
        return await counter(self._service.url, STORED)

    async def _until(self, stored: float) -> float:
        """Elapsed seconds when so many are stored. Raises Unreachable when for a while no more come."""
        clock, last = self._on.clock, -1.0
        changed_s = clock.elapsed()
        while (now := await self._stored()) < stored:
            if now > last:
                last, changed_s = now, clock.elapsed()
            if clock.elapsed() > changed_s + QUIET_S:
                raise Unreachable("readings_missing", missing=int(stored - now))
            await clock.sleep(LOOK_EVERY_S)
        return clock.elapsed()
