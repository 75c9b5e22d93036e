"""The crew of `route`, in memory and in PostgreSQL: the same workers in the same places, moving at the same rate."""

from __future__ import annotations

import asyncio
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.register import GOLDEN, PLASTIC, SOUTH, SPAN_DEG, TRAVEL, WEST
from dispatch.model import Place, StationId, Travel, Worker, WorkerId
from dispatch.router.crew import Crew
from dispatch.router.wish import Door, Wish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from datetime import datetime

    from dispatch.clock import Clock

MOVES_PER_S = 1_000
BATCH_EVERY_S = 0.05
STEP_DEG = 0.0004
"""About 45 m: what a walker covers between two positions half a minute apart."""

NARROW = math.cos(math.radians(SOUTH + SPAN_DEG / 2))
"""A degree of longitude as a share of one of latitude: the peer's plane is scaled, so that its nearest are nearest."""

SKILL = "first_aid"
DECLINED = frozenset({WorkerId("w000003"), WorkerId("w000007")})
WISH = Wish(skills=(SKILL,), barred=DECLINED)

TABLE = """CREATE TABLE crew (
    worker_id text PRIMARY KEY, is_on_duty boolean NOT NULL, is_busy boolean NOT NULL, skills text[] NOT NULL,
    place point NOT NULL
) WITH (fillfactor = 70)"""
INDEX = "CREATE INDEX ON crew USING gist (place) WHERE is_on_duty AND NOT is_busy"
"""Only of those who can be sent at all: the quickest index for this question."""

ELIGIBLE = "is_on_duty AND NOT is_busy AND skills @> $1 AND worker_id <> ALL ($2)"
COUNT = f"SELECT count(*) FROM crew WHERE {ELIGIBLE}"
NEAREST = f"SELECT worker_id, place <-> $3 AS away FROM crew WHERE {ELIGIBLE} ORDER BY place <-> $3 LIMIT 12"
MOVE = """UPDATE crew SET place = point(new.x, new.y)
    FROM unnest($1::text[], $2::float8[], $3::float8[]) AS new (worker_id, x, y)
    WHERE crew.worker_id = new.worker_id"""


def worker_id(n: int) -> WorkerId:
    """The id of the n-th worker."""
    return WorkerId(f"w{n:06}")


def place(n: int, step: int = 0) -> Place:
    """Where the n-th worker is after so many steps, on a small circle of their own."""
    turn = n + 0.7 * step
    north, east = STEP_DEG * math.sin(turn), STEP_DEG * math.cos(turn)
    return Place(SOUTH + SPAN_DEG * (n * GOLDEN % 1) + north, WEST + SPAN_DEG * (n * PLASTIC % 1) + east)


def door(n: int) -> Door:
    """The n-th door, somewhere else than any worker."""
    return Door(place(n + 5_000_000))


def is_busy(n: int) -> bool:
    """Whether a call occupies the n-th worker: one in four."""
    return n % 4 == 0


def workers(count: int, at: datetime) -> Iterator[Worker]:
    """One in ten is off duty, one in three lacks the skill; each has been heard of at this instant."""
    for n in range(count):
        skills = frozenset([SKILL] if n % 3 else [])
        travel, is_on_duty = Travel(TRAVEL[n % len(TRAVEL)]), n % 10 > 0
        yield Worker(worker_id(n), "worker", StationId("s"), travel, None, skills, is_on_duty, place(n), at)


class InMemory:
    """Our own crew."""

    def __init__(self, count: int, clock: Clock) -> None:
        self._clock, self._count = clock, count
        self.crew = Crew((each, place(0)) for each in workers(count, clock.now()))
        for n in filter(is_busy, range(count)):
            self.crew.set_busy(worker_id(n), is_busy=True)
        self.moves = 0

    def move(self, moves: int) -> None:
        """The next so many positions are heard."""
        now = self._clock.now()
        for each in range(self.moves, self.moves + moves):
            n, step = each % self._count, 1 + each // self._count
            self.crew.move(worker_id(n), place(n, step), now)
        self.moves += moves


class InPostgres:
    """The same crew in a table with a GiST index; `ask` is one nearest-neighbour query."""

    def __init__(self, count: int, asking: asyncpg.Connection[Any], moving: asyncpg.Connection[Any]) -> None:
        self._count, self._asking, self._moving = count, asking, moving
        self.moves = 0

    async def ask(self, door: Door) -> list[asyncpg.Record]:
        """The dozen nearest who are eligible."""
        return await self._asking.fetch(NEAREST, *_WISHED, _point(door.place or place(0)))

    async def eligible(self) -> int:
        return int(await self._asking.fetchval(COUNT, *_WISHED))

    async def plan(self) -> str:
        """How the query is carried out, in one line."""
        rows = await self._asking.fetch(f"EXPLAIN {NEAREST}", *_WISHED, _point(place(0)))
        return " / ".join(row[0].split("(cost")[0].strip(" ->") for row in rows if "Scan" in row[0])

    async def keep_moving(self, clock: Clock) -> None:
        """Positions come in until cancelled, a commit for as many as came in `BATCH_EVERY_S`."""
        began_s, done = clock.elapsed(), 0
        while True:
            due = int((clock.elapsed() - began_s) * MOVES_PER_S) - done
            steps = [(each % self._count, 1 + each // self._count) for each in range(self.moves, self.moves + due)]
            points = [_point(place(n, step)) for n, step in steps]
            ids = [worker_id(n) for n, _ in steps]
            await self._moving.execute(MOVE, ids, [each.x for each in points], [each.y for each in points])
            self.moves, done = self.moves + due, done + due
            await clock.sleep(BATCH_EVERY_S)


_WISHED = [SKILL], sorted(DECLINED)


def _point(where: Place) -> asyncpg.Point:
    return asyncpg.Point(where.lon * NARROW, where.lat)


@asynccontextmanager
async def in_postgres(dsn: str, count: int, at: datetime) -> AsyncIterator[InPostgres]:
    """The crew in a fresh database, indexed, vacuumed and analysed."""
    asking, moving = await asyncio.gather(asyncpg.connect(dsn, timeout=10), asyncpg.connect(dsn, timeout=10))
    try:
        await asking.execute(TABLE)
        rows = [
            (each.id, each.is_on_duty, is_busy(n), list(each.skills), _point(each.place or place(n)))
            for n, each in enumerate(workers(count, at))
        ]
        await asking.copy_records_to_table("crew", records=rows)
        await asking.execute(INDEX)
        await asking.execute("VACUUM ANALYZE crew")
        await asking.execute("CHECKPOINT", timeout=60)
        yield InPostgres(count, asking, moving)
    finally:
        await asyncio.gather(asking.close(timeout=5), moving.close(timeout=5))
