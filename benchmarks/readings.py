"""Readings beside something else: how many the service takes at best, and a steady stream of some share of that."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.service_says import counter
from benchmarks.stand import CENTRE, Service, Stand
from dispatch.clock import limit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from benchmarks.processes import LoadProcess

STORED = "dispatch_readings_total"
LOOK_EVERY_S = 0.02
ROUND_WITHIN_S = 120.0
AHEAD_S = 1.0
"""A stream runs for so long before something else is measured beside it."""

TOP_ROUNDS = 5
MADE_WITHIN_S = 90.0


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
        """The middle of some short rounds at full speed; one more before them is for getting warm."""
        return median([(await self.at_full_speed(count))["stored_per_s"] for _ in range(TOP_ROUNDS + 1)][1:])

    @asynccontextmanager
    async def coming(self, per_s: float, seconds: float) -> AsyncIterator[None]:
        """So many a second come while the block runs, which takes at most `seconds`; all are stored when it is left."""
        before, count = await self._stored(), int(per_s * (seconds + 2 * AHEAD_S))
        publishing = asyncio.create_task(self._publish(count, per_s))
        try:
            async with limit(MADE_WITHIN_S):
                while await self._stored() < before + per_s * AHEAD_S:
                    await self._on.clock.sleep(LOOK_EVERY_S)
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
        """Elapsed seconds when so many are stored. Raises TimeoutError."""
        async with limit(ROUND_WITHIN_S):
            while await self._stored() < stored:
                await self._on.clock.sleep(LOOK_EVERY_S)
        return self._on.clock.elapsed()
