"""The register's rows from files into the database: staged by COPY, checked against what is known, merged in slices.

Rows wait in temporary tables of one connection. A slice is one short transaction, so that a large import never holds a
home's row while somebody presses a key there; merging the same rows again changes nothing, so an import that broke off
is simply done again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import asyncpg
import msgspec

from dispatch.errors import Unreachable
from dispatch.store.database import AWAY, CLOSE_WITHIN_S, CONNECT_WITHIN_S, away, statements

SQL = statements("register")

SLICE_LINES = 5_000
"""Some 200 ms: the longest a press at a home being imported may have to wait."""

TRIES = 5
STATEMENT_WITHIN_S = 120
LOCKED = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)


class Rejected(msgspec.Struct, frozen=True):
    """A staged row that does not fit: its line, a code, the column and cell it is about, and an earlier line if any."""

    line: int
    code: str
    name: str
    cell: str
    first_line: int | None


class Noun(msgspec.Struct, frozen=True):
    """How one kind of file goes in.

    `checks` take out rows that do not fit. Then, slice by slice: `homes_first` merges the homes of elders, `merges` are
    told the columns that the file has, `moves` what day it is. `brings` is what a dry run remembers.
    """

    columns: tuple[str, ...]
    checks: tuple[str, ...]
    brings: tuple[str, ...] = ()
    homes_first: bool = False
    merges: tuple[str, ...] = ()
    moves: tuple[str, ...] = ()


NOUNS = {
    "stations": Noun(
        ("station_id", "name", "lat", "lon", "phone", "organisation", "district"),
        checks=("repeated_stations",),
        brings=("bring_stations",),
        merges=("merge_stations",),
    ),
    "elders": Noun(
        (
            *("elder_id", "name", "birth_year", "phone", "risks", "note", "thresholds"),
            *("home_id", "address", "lat", "lon", "access", "station_id"),
        ),
        checks=("repeated_elders", "stationless_elders", "contradicting_elders"),
        brings=("bring_elders", "bring_homes"),
        homes_first=True,
        merges=("merge_elders",),
        moves=("leave_homes", "enter_homes"),
    ),
    "terminals": Noun(
        ("terminal_id", "home_id", "kind", "elder_id", "phone"),
        checks=("repeated_terminals", "homeless_terminals", "elderless_terminals"),
        merges=("merge_terminals",),
        moves=("take_down", "hang_up"),
    ),
    "workers": Noun(
        ("worker_id", "name", "station_id", "travel", "phone", "skills"),
        checks=("repeated_workers", "stationless_workers"),
        merges=("merge_workers",),
    ),
    "contacts": Noun(
        ("home_id", "rank", "name", "relation", "phone", "has_key"),
        checks=("repeated_contacts", "homeless_contacts"),
        merges=("merge_contacts",),
    ),
}


class Register:
    """A connection with the staging tables. Get one with `open_register`; one import at a time uses it."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection

    async def clear(self, kind: str) -> None:
        """Make ready for the rows of another file."""
        await self._connection.execute(f"TRUNCATE staged_{kind}, staged_homes")

    async def stage(self, kind: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add rows: the line, then a value for each of the kind's columns."""
        await self._connection.copy_records_to_table(
            f"staged_{kind}", records=rows, columns=("line", *NOUNS[kind].columns)
        )

    async def check(self, kind: str) -> list[Rejected]:
        """Take out the rows that do not fit what is known, and say why."""
        noun = NOUNS[kind]
        await self._connection.execute(f"ANALYZE staged_{kind}")
        rejected = [Rejected(**row) for name in noun.checks for row in await self._connection.fetch(SQL[name])]
        if noun.homes_first:
            await self._connection.execute(SQL["gather_homes"])
            await self._connection.execute("ANALYZE staged_homes")
        return rejected

    async def remember(self, kind: str) -> None:
        """For a dry run: what later files may refer to, though it is not merged."""
        for name in NOUNS[kind].brings:
            await self._connection.execute(SQL[name])

    async def merge(self, kind: str, present: Iterable[str], today: date) -> AsyncIterator[int]:
        """Put the staged rows into the register and yield the line reached after each slice.

        `present` are the columns that the file has; the others stay as they are. Raises Unreachable.
        """
        noun, columns = NOUNS[kind], list(present)
        if noun.homes_first:
            async for _ in self._slices("staged_homes", [(SQL["merge_homes"], columns)]):
                pass
        steps: list[tuple[str, Any]] = [(SQL[name], columns) for name in noun.merges]
        steps += [(SQL[name], today) for name in noun.moves]
        if kind == "terminals" and "elder_id" in columns:
            steps.append((SQL["give_terminals"], None))
        async for line in self._slices(f"staged_{kind}", steps):
            yield line

    async def _slices(self, table: str, steps: Sequence[tuple[str, Any]]) -> AsyncIterator[int]:
        last = await self._connection.fetchval(f"SELECT coalesce(max(line), 0) FROM {table}")  # noqa: S608 - our table
        for start in range(0, last + 1, SLICE_LINES):
            end = start + SLICE_LINES
            await self._commit([(statement, (start, end, fact)) for statement, fact in steps])
            yield min(end, last)

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


@asynccontextmanager
async def open_register(dsn: str) -> AsyncIterator[Register]:
    """A register ready for staging. Raises Unreachable if the database is or goes away."""
    settings = {"application_name": "onekey-import", "TimeZone": "UTC", "lock_timeout": "2000"}
    try:
        connection = await asyncpg.connect(
            dsn, timeout=CONNECT_WITHIN_S, command_timeout=STATEMENT_WITHIN_S, server_settings=settings
        )
    except AWAY as error:
        raise away(error) from error
    try:
        await connection.execute(SQL["stage"])
        yield Register(connection)
    except AWAY as error:
        raise away(error) from error
    finally:
        await _close(connection)


async def _close(connection: asyncpg.Connection[Any]) -> None:
    try:
        await connection.close(timeout=CLOSE_WITHIN_S)
    except (*AWAY, Unreachable):
        connection.terminate()
