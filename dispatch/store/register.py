"""The register's rows from files into the database: staged by COPY, checked against what is known, merged in slices.

Rows wait in temporary tables, half of the homes on each of two connections (a *lane*), so that a server with two cores
uses both. A slice is one short transaction, so that a large import never holds a home's row while somebody presses a
key there; merging the same rows again changes nothing, so an import that broke off is simply done again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from typing import Any, TypeVar
from zlib import crc32

import asyncpg
import msgspec

from dispatch.errors import Refused, Unreachable
from dispatch.store.database import AWAY, CLOSE_WITHIN_S, CONNECT_WITHIN_S, away, statements
from dispatch.store.nouns import NOUNS

SQL = statements("register")
T = TypeVar("T")

LANES = 2
SLICE_LINES = 10_000
"""Some 5,000 rows of each lane, 200 ms: the longest a press at a home being imported may have to wait."""

TRIES = 5
STATEMENT_WITHIN_S = 120
LOCKED = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)
ONE_IMPORT = 7205759403793
"""The advisory lock of the import under way: who has moved is found out once for a file."""

SESSION = {
    "application_name": "onekey-import",
    "TimeZone": "UTC",
    "lock_timeout": "2000",
    "jit": "off",
    "work_mem": "64MB",  # a city's ids fit, so nothing is sorted or joined by way of the disk
    "temp_buffers": "64MB",
}


class Rejected(msgspec.Struct, frozen=True):
    """A staged row that does not fit: its line, a code, the column and cell it is about, and an earlier line if any."""

    line: int
    code: str
    name: str
    cell: str
    first_line: int | None


class _Lane:
    """One connection with staging tables of its own."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def do(self, *names: str) -> None:
        for name in names:
            await self._connection.execute(SQL[name])

    async def analyse(self, tables: Sequence[str]) -> None:
        """A service that runs meanwhile plans for the register as it has become, and not in a minute."""
        await self._connection.execute(f"ANALYZE {', '.join(tables)}")

    async def lock(self) -> None:
        if not await self._connection.fetchval("SELECT pg_try_advisory_lock($1)", ONE_IMPORT):
            raise Refused("another_import_runs")

    async def unlock(self) -> None:
        await self._connection.execute("SELECT pg_advisory_unlock($1)", ONE_IMPORT)

    async def stage(self, kind: str, rows: Iterable[tuple[Any, ...]]) -> None:
        columns = ("line", *NOUNS[kind].columns)
        await self._connection.copy_records_to_table(f"staged_{kind}", records=rows, columns=columns)

    async def check(self, kind: str) -> list[Rejected]:
        noun = NOUNS[kind]
        await self._connection.execute(f"ANALYZE staged_{kind} ({', '.join(noun.sought)})")
        rejected = [Rejected(**row) for name in noun.checks for row in await self._connection.fetch(SQL[name])]
        await self.do(*noun.gathers)
        return rejected

    async def settle(self, kind: str) -> None:
        if NOUNS[kind].settles:
            await self.do(*NOUNS[kind].settles)
            await self._connection.execute(
                "ANALYZE staged_homes (line), entering (line), leaving (line), giving (line)"
            )

    async def merge(self, kind: str, facts: dict[str, Any], reached: Callable[[int], None]) -> None:
        noun = NOUNS[kind]
        if noun.homes_first:
            await self._slices("staged_homes", [_step("merge_homes", ("columns",), facts)], lambda _: None)
        steps = [_step(name, told, facts) for name, told in noun.steps]
        await self._slices(f"staged_{kind}", steps, reached)

    async def _slices(
        self, table: str, steps: Sequence[tuple[str, tuple[Any, ...]]], reached: Callable[[int], None]
    ) -> None:
        last = await self._connection.fetchval(f"SELECT coalesce(max(line), 0) FROM {table}")  # noqa: S608 - our table
        for start in range(0, last + 1, SLICE_LINES):
            end = start + SLICE_LINES
            await self._commit([(statement, (start, end, *facts)) for statement, facts in steps])
            reached(end)

    async def _commit(self, steps: list[tuple[str, tuple[Any, ...]]]) -> None:
        """One slice in one transaction; again from its start if others held the rows."""
        for tries_left in reversed(range(TRIES)):
            try:
                async with self._connection.transaction():
                    for statement, arguments in steps:
                        await self._connection.execute(statement, *arguments)
            except LOCKED:
                if not tries_left:
                    raise
            else:
                return


def _step(name: str, told: tuple[str, ...], facts: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    return SQL[name], tuple(facts[each] for each in told)


class Register:
    """The lanes together. Get one with `open_register`; one import at a time uses it."""

    def __init__(self, lanes: Sequence[_Lane]) -> None:
        self._lanes = lanes

    async def clear(self) -> None:
        """Make ready for the rows of another file."""
        await _all(lane.do("clear") for lane in self._lanes)

    async def stage(self, kind: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows: the line, then a value for each of the kind's columns. Rows of one home go into one lane."""
        if len(self._lanes) == 1:
            await self._lanes[0].stage(kind, rows)
            return
        at = 1 + NOUNS[kind].lane_column
        parts: list[list[tuple[Any, ...]]] = [[] for _ in self._lanes]
        for row in rows:
            parts[crc32(row[at].encode()) % len(parts)].append(row)
        await _all(lane.stage(kind, part) for lane, part in zip(self._lanes, parts, strict=True))

    async def check(self, kind: str) -> list[Rejected]:
        """Take out the rows that do not fit what is known, and say why."""
        return [each for found in await _all(lane.check(kind) for lane in self._lanes) for each in found]

    async def remember(self, kind: str) -> None:
        """For a dry run: what later files may refer to, though it is not merged."""
        await _all(lane.do(*NOUNS[kind].brings) for lane in self._lanes)

    async def merge(self, kind: str, present: Iterable[str], today: date, reached: Callable[[int], None]) -> None:
        """Put the staged rows into the register; `reached` is told the line that every lane has reached.

        `present` are the columns that the file has; the others stay as they are. Raises Unreachable.
        """
        facts, at = {"columns": list(present), "today": today}, [0] * len(self._lanes)

        def reach(lane: int, line: int) -> None:
            at[lane] = line
            reached(min(at))

        # a plan made for an empty table would be run over the rows that another lane brings meanwhile
        await _all(lane.settle(kind) for lane in self._lanes)
        await _all(
            lane.merge(kind, facts, lambda line, n=n: reach(n, line))  # type: ignore[misc]
            for n, lane in enumerate(self._lanes)
        )
        await self._lanes[0].analyse(NOUNS[kind].tables)


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """Let all come to their end, so that no connection is closed under one; then raise the first error, if any."""
    ended = await asyncio.gather(*works, return_exceptions=True)
    for each in ended:
        if isinstance(each, BaseException):
            raise each
    return [each for each in ended if not isinstance(each, BaseException)]


@asynccontextmanager
async def open_register(dsn: str, *, dry_run: bool = False) -> AsyncIterator[Register]:
    """A register ready for staging; a dry run has one lane, whose rows see all that the run would bring.

    Raises Unreachable if the database is or goes away, Refused (`another_import_runs`) unless it is a dry run.
    """
    async with AsyncExitStack() as open_lanes:
        try:
            lanes = [await open_lanes.enter_async_context(_lane(dsn)) for _ in range(1 if dry_run else LANES)]
            if not dry_run:
                await lanes[0].lock()
            yield Register(lanes)
            if not dry_run:
                await lanes[0].unlock()
        except AWAY as error:
            raise away(error) from error


@asynccontextmanager
async def _lane(dsn: str) -> AsyncIterator[_Lane]:
    connection = await asyncpg.connect(
        dsn, timeout=CONNECT_WITHIN_S, command_timeout=STATEMENT_WITHIN_S, server_settings=SESSION
    )
    try:
        lane = _Lane(connection)
        await lane.do("stage")
        yield lane
    finally:
        await _close(connection)


async def _close(connection: asyncpg.Connection[Any]) -> None:
    try:
        await connection.close(timeout=CLOSE_WITHIN_S)
    except (*AWAY, Unreachable):
        connection.terminate()
