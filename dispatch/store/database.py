"""The way to PostgreSQL: a pool whose every wait has an end, transactions, migrations, and statements kept in files.

asyncpg waits for ever on a link that swallows bytes, and so does closing its pool: every call here is limited, and a
connection in doubt is thrown away. What fails because the database is away, full or overloaded raises `Unreachable`
(trying again makes sense); anything else is the statement's own fault and comes out as asyncpg raised it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from dispatch import logs
from dispatch.clock import limit
from dispatch.crash import crash_at
from dispatch.errors import BadSettings, SteppedDown, Unreachable

Connection = PoolConnectionProxy | asyncpg.Connection

CONNECT_WITHIN_S = 3
COMMAND_WITHIN_S = 5
CLOSE_WITHIN_S = 2

PLAN_KEPT_S = 60
"""A prepared statement is prepared anew after so long, and planned for the tables as they have become."""
SERVER_SETTINGS = {
    "application_name": "onekey-dispatch",
    "TimeZone": "UTC",
    "jit": "off",  # compiling costs more than any of our statements takes
    "statement_timeout": "4000",
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
}
PLANNED_ONCE = {
    # What is asked all day goes from keys to rows by an index whatever the values are (tests/store/test_plans.py), so
    # planning it anew, which takes as long as doing it, finds nothing better. Without sequential scans, since what is
    # planned while a table is small is kept for a while (`PLAN_KEPT_S`), however much it grows meanwhile.
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
}
DISPATCHING = {
    # PostgreSQL itself ends a holder that froze inside a transaction, so that a standby can take over
    "statement_timeout": "2000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "2000",
}

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the link died in the middle of an answer
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, starting up, statement_timeout
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.PostgresSystemError,  # an I/O error below it
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,  # a replica after a failover; a hosted database whose disk is full
)
NO_WAY_IN = (*AWAY, asyncpg.PostgresError)
"""While connecting every error means that: a password changed under us is no fault of what was to be written."""
log = logs.get("store")


def statements(noun: str) -> dict[str, str]:
    """The named statements of `sql/<noun>.sql`: each begins with a line `-- name: what it is for`."""
    text = resources.files("dispatch.store").joinpath("sql", f"{noun}.sql").read_text(encoding="utf-8")
    parts = re.split(r"^-- (\w+): .*$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], (body.strip() for body in parts[2::2]), strict=True))


class Database:
    """A pool that connects when it is needed, so that a database that is away at start stops nobody.

    `is_planned_once`: for users who ask the same few statements all day; each is planned only once a connection.
    """

    def __init__(self, dsn: str, *, size: int = 4, dispatching: bool = False, is_planned_once: bool = False) -> None:
        self._dsn = dsn
        self._size = size
        self._settings = SERVER_SETTINGS | (DISPATCHING if dispatching else {})
        self._settings |= PLANNED_ONCE if is_planned_once else {}
        self._pool: asyncpg.Pool | None = None

    async def _open(self) -> asyncpg.Pool:
        if self._pool is None:
            self._pool = asyncpg.create_pool(
                self._dsn,
                min_size=0,
                max_size=self._size,
                timeout=CONNECT_WITHIN_S,
                command_timeout=COMMAND_WITHIN_S,
                reset=_nothing_to_reset,
                max_inactive_connection_lifetime=600,
                max_cached_statement_lifetime=PLAN_KEPT_S,
                server_settings=self._settings,
            )
            await self._pool
        return self._pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for reading, or for one statement by itself. Raises Unreachable."""
        try:
            pool = await self._open()
            connection = await pool.acquire(timeout=CONNECT_WITHIN_S)
        except NO_WAY_IN as error:
            raise away(error) from error
        try:
            yield connection
        except AWAY as error:
            _throw_away(connection)
            if isinstance(error, TimeoutError):
                self._start_anew(pool)
            raise away(error) from error
        finally:
            await self._release(pool, connection)

    def _start_anew(self, pool: asyncpg.Pool) -> None:
        """Drop every connection: where one answer never came, the idle ones lead nowhere either, and each would cost
        another wait after the link has healed.
        """
        if self._pool is pool:
            self._pool = None
            pool.terminate()

    @staticmethod
    async def _release(pool: asyncpg.Pool, connection: PoolConnectionProxy) -> None:
        try:
            async with limit(CLOSE_WITHIN_S):
                await pool.release(connection)
        except AWAY:
            _throw_away(connection)

    @asynccontextmanager
    async def transaction(self, term: int | None = None) -> AsyncIterator[Connection]:
        """One transaction; with a `term` it is a dispatching one and raises SteppedDown if the lease is lost.

        If the link breaks during the commit the outcome is unknown, so every write must bear being done again.
        """
        async with self.connection() as connection, connection.transaction():
            if term is not None and not await connection.fetchval(LEASE, term):
                raise SteppedDown("lease_lost", term=term)
            yield connection
            crash_at("before_commit")

    async def close(self) -> None:
        """Close every connection, giving up politeness after a moment."""
        if self._pool is None:
            return
        try:
            async with limit(CLOSE_WITHIN_S):
                await self._pool.close()
        except AWAY:
            self._pool.terminate()
        self._pool = None


def _throw_away(connection: PoolConnectionProxy) -> None:
    """End a connection in doubt. One that broke has left the pool by itself, and then says so in an error of its own,
    which must not hide the first.
    """
    with contextlib.suppress(asyncpg.InterfaceError):
        connection.terminate()


async def _nothing_to_reset(_connection: object) -> None:
    """Nothing of ours outlives a transaction in a session, so the round trip that asyncpg would spend is saved."""


LEASE = "SELECT true FROM lease WHERE term = $1 FOR KEY SHARE"


def away(error: BaseException) -> Unreachable:
    """The error that says the database cannot be used just now."""
    return Unreachable("database_away", reason=type(error).__name__, detail=str(error)[:200])


# --- migrations ------------------------------------------------------------------------------------------------------

_JOURNAL = "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, checksum text NOT NULL)"
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(7205759403792)"


def migrations() -> dict[str, str]:
    """Every migration's name and text, in order."""
    folder = resources.files("dispatch.store").joinpath("migrations")
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".sql"))
    return {name: folder.joinpath(name).read_text(encoding="utf-8") for name in names}


async def migrate(dsn: str) -> list[str]:
    """Bring the database to this version's schema and return the names of the migrations done now.

    Forward only, all or nothing, one process at a time. Raises BadSettings if the database is newer than this program
    (`newer_database`) or a migration that was done has been edited since (`edited_migration`); Unreachable if away.
    """
    try:
        return await _migrate(dsn)
    except AWAY as error:
        raise away(error) from error


async def _migrate(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN_S, server_settings={"TimeZone": "UTC"})
    try:
        async with connection.transaction():
            return await apply(connection, migrations())
    finally:
        with contextlib.suppress(*AWAY):  # which must not hide what was done, or why it was not
            await connection.close(timeout=CLOSE_WITHIN_S)


async def apply(connection: asyncpg.Connection[Any], known: dict[str, str]) -> list[str]:
    """Do those of some migrations that were not done yet, inside the caller's transaction; see `migrate`."""
    await connection.execute(_ONE_AT_A_TIME)
    await connection.execute(_JOURNAL)
    return await _catch_up(connection, known)


async def _catch_up(connection: asyncpg.Connection[Any], known: dict[str, str]) -> list[str]:
    rows = await connection.fetch("SELECT name, checksum FROM migration")
    done = {row["name"]: row["checksum"] for row in rows}
    if newer := sorted(set(done) - set(known)):
        raise BadSettings("newer_database", migration=newer[0], reason="this database is of a newer version than I am")
    fresh = []
    for name, text in known.items():
        checksum = hashlib.sha256(text.encode()).hexdigest()
        if name in done and done[name] != checksum:
            raise BadSettings("edited_migration", migration=name, reason="it was edited after it had been done")
        if name not in done:
            await connection.execute(text)
            await connection.execute("INSERT INTO migration (name, checksum) VALUES ($1, $2)", name, checksum)
            fresh.append(name)
            log.info("migrated", migration=name)
    return fresh


class Bell:
    """Wakes whoever waits; says nothing about why. Polling is the truth, a bell only makes it quicker."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self.event.set()

    def hush(self) -> None:
        """Ready for the next ring."""
        self.event.clear()
