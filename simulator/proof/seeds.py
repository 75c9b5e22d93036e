"""Many seeds, on as many processes as asked for, each with a database of its own on one PostgreSQL.

That PostgreSQL does not flush to the disk: what dies here is the process, never the machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from dispatch import logs
from dispatch.clock import SystemClock
from dispatch.store.database import migrate
from simulator.fast_run import policies_of
from simulator.proof.depot import Depot
from simulator.proof.trial import Plan, Stand, Trial, Verdict
from simulator.servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator
    from concurrent.futures import Future

NOT_FLUSHED = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_compression": "off",
    "autovacuum": "off",  # what it does and when is no seed's business
    "log_lock_waits": "off",
}


@dataclass
class Sum:
    """What came of many seeds."""

    seeds: int = 0
    virtual_hours: float = 0.0
    skipped_hours: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    incidents: int = 0
    statements: int = 0
    commits: int = 0
    bad: list[Verdict] = field(default_factory=list)

    def add(self, verdict: Verdict) -> None:
        """One more seed."""
        self.seeds += 1
        self.virtual_hours += verdict.virtual_hours
        self.skipped_hours += verdict.skipped_hours
        self.faults += verdict.faults
        self.incidents += verdict.incidents
        self.statements += verdict.statements
        self.commits += verdict.commits
        if not verdict.is_good:
            self.bad.append(verdict)

    def as_dict(self) -> dict[str, Any]:
        """The figures, as `./run prove` prints them."""
        return {
            "seeds": self.seeds,
            "virtual_hours": round(self.virtual_hours, 1),
            "skipped_hours": round(self.skipped_hours, 1),
            "faults": dict(sorted(self.faults.items())),
            "lost": sum(len(each.lost) for each in self.bad),
            "duplicated": sum(len(each.duplicated) for each in self.bad),
            "violations": sum(len(each.violations) for each in self.bad),
            "first_failing_seed": min((each.seed for each in self.bad), default=None),
            "incidents": self.incidents,
            "statements": self.statements,
            "commits_checked": self.commits,
        }


@contextmanager
def stand_on(dsn: str) -> Iterator[Stand]:
    """A stand on a database that has the schema."""
    io = asyncio.new_event_loop()
    depot = Depot(dsn)
    eye, guard = (io.run_until_complete(asyncpg.connect(dsn, timeout=10)) for _ in range(2))
    try:
        yield Stand(io, dsn, depot, eye, guard, policies_of(None))
    finally:
        io.run_until_complete(depot.close())
        eye.terminate()
        guard.terminate()
        io.run_until_complete(SystemClock().sleep(0))
        io.close()


@asynccontextmanager
async def databases(count: int) -> AsyncIterator[list[str]]:
    """So many databases with the schema, on a PostgreSQL of their own."""
    async with PostgresServer(settings=NOT_FLUSHED) as postgres:
        dsns = []
        for number in range(count):
            dsns.append(await postgres.create_database(f"proof_{number}"))
            await migrate(dsns[-1])
        yield dsns


class Players:
    """Processes that play seeds. Leave it as a context manager does."""

    def __init__(self, dsns: list[str], plan: Plan) -> None:
        os.environ["PYTHONHASHSEED"] = "0"  # for those that are started below: no seed hangs on the order of a set
        spawn = multiprocessing.get_context("spawn")
        handed = spawn.SimpleQueue()
        for dsn in dsns:
            handed.put(dsn)
        self._pool = ProcessPoolExecutor(len(dsns), mp_context=spawn, initializer=_settle_down, initargs=(handed, plan))
        self._count = len(dsns)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def play(self, seeds: Iterable[int], go_on: Callable[[], bool], on_verdict: Callable[[Verdict], None]) -> None:
        """Play seed after seed while `go_on` says so."""
        left = iter(seeds)
        under_way: set[Future[Verdict]] = set()
        while True:
            while len(under_way) < self._count and go_on() and (seed := next(left, None)) is not None:
                under_way.add(self._pool.submit(_play, seed))
            if not under_way:
                return
            done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for each in done:
                on_verdict(each.result())


_stand: list[tuple[Any, Stand, Plan]] = []
"""What this player plays on; the context manager beside it is kept so that nothing is closed before the end."""


def _settle_down(handed: Any, plan: Plan) -> None:
    logs.set_up("critical")
    opened = stand_on(handed.get())
    _stand.append((opened, opened.__enter__(), plan))


def _play(seed: int) -> Verdict:
    _, stand, plan = _stand[0]
    return Trial(seed, stand, plan).play()
