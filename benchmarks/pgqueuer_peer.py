"""A peer in a process of its own: pgqueuer executes jobs that do nothing but be executed, every table of it logged.

It locks what it takes, starts a task a job, and writes what became of it in batches: the jobs of a batch are durable
when that batch has committed.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.settings import DBSettings
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.commands import serve, settle
from dispatch.clock import SystemClock

ENTRYPOINT = "step"
ENQUEUED_AT_ONCE = 10_000
LEFT = "SELECT count(*) FROM pgqueuer WHERE execute_after <= $1"
LOOK_EVERY_S = 0.005


class Peer:
    """One connection, as its own measurements have it."""

    def __init__(self) -> None:
        self._clock = SystemClock()

    async def prepare(self, dsn: str, armed: int) -> dict[str, Any]:
        """Its tables, and so many jobs that are not due for a day."""
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            queries = Queries(AsyncpgDriver(connection))
            await queries.install()
            for start in range(0, armed, ENQUEUED_AT_ONCE):
                await self._enqueue(queries, min(ENQUEUED_AT_ONCE, armed - start), timedelta(days=1))
            return {"durability": DBSettings().durability.value}
        finally:
            await connection.close(timeout=5)

    async def execute(self, dsn: str, jobs: int, batch_size: int) -> dict[str, Any]:
        """Execute so many due jobs: elapsed seconds when the first began and when none was left."""
        connection, looking = await asyncpg.connect(dsn, timeout=10), await asyncpg.connect(dsn, timeout=10)
        driver = AsyncpgDriver(connection)
        await self._enqueue(Queries(driver), jobs, None)
        queue = PgQueuer(driver)
        began_s: list[float] = []

        @queue.entrypoint(ENTRYPOINT)
        async def step(_job: Job) -> None:
            began_s.append(self._clock.elapsed())
            if len(began_s) == jobs:
                queue.shutdown.set()  # what became of the last is written on the way out

        await looking.execute("ANALYZE")
        settle()
        try:
            await queue.run(batch_size=batch_size)
            ended_s = self._clock.elapsed()
            left = await looking.fetchval(LEFT, self._clock.now())
        finally:
            await looking.close(timeout=5)
        return {"began_s": began_s[0], "ended_s": ended_s, "executed": len(began_s), "left": left}

    @staticmethod
    async def _enqueue(queries: Queries, jobs: int, after: timedelta | None) -> None:
        await queries.enqueue([ENTRYPOINT] * jobs, [None] * jobs, [0] * jobs, [after] * jobs)

    async def close(self) -> None:
        """Nothing is left open."""


if __name__ == "__main__":
    uvloop.run(serve(Peer()))
