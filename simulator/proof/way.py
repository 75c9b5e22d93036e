"""How one process reaches the real PostgreSQL, and how that goes wrong.

The store's own code runs unchanged above this: `ProofDatabase` and `ProofOne` are its pool and its single connection,
and lend a `Line` where they would lend asyncpg's connection. A line is an instant's way to the server for every
statement, a place where the process may be killed before and after it, and it breaks as links and servers do. What
PostgreSQL would do of itself to a dead or frozen client (roll back, end an idle transaction) is done by the virtual
clock, since the server's own clock is the machine's.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

from dispatch.store import database
from dispatch.store.database import Database
from dispatch.store.one_connection import OneConnection
from simulator.proof.looks import REPEATED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Generator

    from simulator.proof.depot import Depot, Real
    from simulator.proof.process import Process

    Do = Callable[[], Coroutine[Any, Any, Any]]

READS = ("SELECT", "BEGIN", "ROLLBACK")
NO_LOOK = (*READS, "UPDATE lease SET beat")
"""Statements after which nothing that the promises are about has changed."""
HOLDS = re.compile(r"FROM lease WHERE term = \$(\d+) FOR KEY SHARE")
"""Where a statement names the term it is written under."""
LOCK_WITHIN_S = 2.0
IDLE_IN_TRANSACTION_S = 2.0
ANSWER_S = (0.0002, 0.004)
"""How long a statement takes, there and back each."""
SLOW_S = (0.3, 3.0)

BROKEN = (asyncpg.ConnectionDoesNotExistError, "connection was closed in the middle of operation")
SAID_NO = (
    (asyncpg.DiskFullError, "could not extend file"),
    (asyncpg.DeadlockDetectedError, "deadlock detected"),
    (asyncpg.QueryCanceledError, "canceling statement due to statement timeout"),
    (asyncpg.SerializationError, "could not serialize access"),
)


class Line:
    """One connection, as the store sees it."""

    def __init__(self, way: Way, real: Real) -> None:
        self._way, self.real = way, real
        self.is_broken = False
        self._in_transaction = False
        self._has_written = False
        self._term: int | None = None

    async def execute(self, query: str, *args: Any) -> Any:
        return await self._do("execute", query, args)

    async def fetch(self, query: str, *args: Any) -> Any:
        return await self._do("fetch", query, args)

    async def fetchrow(self, query: str, *args: Any) -> Any:
        return await self._do("fetchrow", query, args)

    async def fetchval(self, query: str, *args: Any) -> Any:
        return await self._do("fetchval", query, args)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """As asyncpg's: whatever ends the block badly rolls back."""
        await self.execute("BEGIN;")
        self._in_transaction, self._has_written = True, False
        try:
            yield
        except BaseException:
            await self.execute("ROLLBACK;")
            self._in_transaction = False
            raise
        await self.execute("COMMIT;")
        self._in_transaction = False

    def is_in_transaction(self) -> bool:
        return self._in_transaction and not self.is_broken

    def is_closed(self) -> bool:
        return self.is_broken

    def terminate(self) -> None:
        """Throw the connection away; PostgreSQL rolls back what was under way."""
        if not self.is_broken:
            self.is_broken = True
            self._way.bury(self)

    async def close(self) -> None:
        self.terminate()

    async def _do(self, how: str, query: str, args: tuple[Any, ...]) -> Any:
        await self._way.process.awake()
        if self.is_broken:
            raise asyncpg.InterfaceError("connection is closed")
        is_durable = self._is_durable(query)
        if not self._in_transaction:
            self._term = None
        if found := HOLDS.search(query):
            self._term = args[int(found[1]) - 1]

        async def really() -> Any:
            if self.is_broken:  # while this waited for its turn
                raise _error(BROKEN)
            return await getattr(self.real.connection, how)(query, *args)

        async def look() -> None:
            await self._way.process.has_committed(self._term)

        self._has_written |= not query.startswith(READS)
        if query in REPEATED and not self._in_transaction:
            return await self._repeated(how, query, args, really)
        return await self._way.carry(self, query, really, look if is_durable else None)

    async def _repeated(self, how: str, query: str, args: tuple[Any, ...], really: Do) -> Any:
        """A look that need not be done again while nothing has changed."""
        looks = self._way.process.centre.looks

        async def once() -> Any:
            answer = await really()
            looks.keep(f"{how} {query}", args, answer)
            return answer

        return await self._way.carry(self, query, once, known=lambda: looks.known(f"{how} {query}", args))

    def _is_durable(self, query: str) -> bool:
        """Whether something is durable after this statement that was not before."""
        if self._in_transaction:
            return query.startswith("COMMIT") and self._has_written
        return not query.startswith(NO_LOOK)


class Way:
    """One process' connections, and what becomes of a statement on them."""

    def __init__(self, process: Process, depot: Depot) -> None:
        self.process = process
        self._depot = depot
        self._lines: dict[Line, None] = {}
        self._draw = process.world.chances(f"way of {process.name}")

    async def connect(self, settings: dict[str, str]) -> Line:
        """A new connection. Raises as asyncpg does if there is none to be had."""
        await self._spend()
        if self.process.trouble.is_database_away or self.process.trouble.strikes("database_refuses"):
            self.process.strike("database_refuses")
            raise ConnectionRefusedError("connection refused")
        real = await self.process.ask(lambda: self._depot.take(settings), 0)
        line = Line(self, real)
        self._lines[line] = None
        return line

    async def carry(
        self,
        line: Line,
        query: str,
        really: Do,
        look: Do | None = None,
        known: Callable[[], tuple[Any] | None] = lambda: None,
    ) -> Any:
        """Have a statement done, if nothing comes between; `look` if it makes something durable, `known` tells the
        answer if PostgreSQL need not be asked.
        """
        process, what = self.process, query[:28].replace("\n", " ")
        await process.point(f"before {what}")
        await self._endure(line, what)
        is_lost = look is not None and process.trouble.strikes("answer_lost")
        try:
            spared = known()
            answer = spared[0] if spared else await self._ask(line, really, look)
        except asyncpg.PostgresError as error:
            self._refused(what, error)
            raise
        await process.point(f"after {what}")
        if is_lost:
            process.strike("answer_lost", what)
            line.terminate()
            raise _error(BROKEN)
        await self._spend()
        return answer

    async def _endure(self, line: Line, what: str) -> None:
        """What may happen to a statement on its way."""
        process = self.process
        await self._spend()
        self._perhaps_broken(line, what)
        if process.trouble.strikes("database_slow"):
            process.strike("database_slow", what)
            await process.hang(self._draw.uniform(*SLOW_S))
        if process.trouble.strikes("database_times_out"):
            process.strike("database_times_out", what)
            await process.hang(database.COMMAND_WITHIN_S)
            line.terminate()
            raise TimeoutError
        self._perhaps_broken(line, what)

    def _refused(self, what: str, error: asyncpg.PostgresError) -> None:
        """PostgreSQL said no of itself. A constraint is the last line of defence: nothing should get so far."""
        self.process.tell(f"{what}: {type(error).__name__} {str(error).splitlines()[0]}")
        is_constraint = isinstance(error, asyncpg.IntegrityConstraintViolationError)
        if is_constraint and not isinstance(error, asyncpg.UniqueViolationError):  # which tells who was second
            name = getattr(error, "constraint_name", "")
            self.process.world.story.breach(f"the database itself had to refuse: {name}")

    def _perhaps_broken(self, line: Line, what: str) -> None:
        if self.process.trouble.is_database_away and not line.is_broken:
            line.terminate()
        if line.is_broken:
            raise _error(BROKEN)
        if self.process.trouble.strikes("database_link_breaks"):
            self.process.strike("database_link_breaks", what)
            line.terminate()
            raise _error(BROKEN)
        if not what.startswith(("ROLLBACK", "COMMIT")) and self.process.trouble.strikes("database_says_no"):
            self.process.strike("database_says_no", what)
            raise _error(self._draw.choice(SAID_NO))

    async def _ask(self, line: Line, really: Do, look: Do | None) -> Any:
        """Ask PostgreSQL; what waits for a lock too long is given up, as its own limits would."""
        world, pid = self.process.world, line.real.pid
        answer = asyncio.ensure_future(self.process.ask(really, pid, look))
        done, _ = await asyncio.wait({answer}, timeout=LOCK_WITHIN_S)
        if not done:
            world.later(0, lambda: world.give_up_waiting(pid))
        return await answer

    async def _spend(self) -> None:
        await self.process.clock.sleep(self._draw.uniform(*ANSWER_S))

    def bury(self, line: Line) -> None:
        """A connection is gone: PostgreSQL rolls back what was under way on it. Here it serves the next one then."""
        self._lines.pop(line, None)
        self.process.world.bury(line.real, self._depot)

    def end_idle_transactions(self) -> None:
        """What PostgreSQL does to a client that froze inside a transaction."""
        for line in list(self._lines):
            if line.is_in_transaction():
                line.terminate()

    def cut(self) -> None:
        """The process is dead: all its connections are."""
        for line in list(self._lines):
            line.terminate()


def _error(kind: tuple[type[Exception], str]) -> Exception:
    return kind[0](kind[1])


class _Pool:
    """As much of asyncpg's pool as the store uses."""

    def __init__(self, way: Way, size: int, settings: dict[str, str]) -> None:
        self._way, self._settings = way, settings
        self._room = asyncio.Semaphore(size)
        self._idle: list[Line] = []
        self._lent: dict[Line, None] = {}

    async def acquire(self, timeout: float) -> Line:  # noqa: ASYNC109 - asyncpg's
        async with asyncio.timeout(timeout):
            await self._room.acquire()
        try:
            while self._idle:
                line = self._idle.pop()
                if not line.is_broken:
                    break
            else:
                line = await self._way.connect(self._settings)
        except BaseException:
            self._room.release()
            raise
        self._lent[line] = None
        return line

    async def release(self, line: Line) -> None:
        if line not in self._lent:
            return
        del self._lent[line]
        self._room.release()
        if not line.is_broken:
            self._idle.append(line)

    def terminate(self) -> None:
        for line in [*self._idle, *self._lent]:
            line.terminate()

    async def close(self) -> None:
        self.terminate()

    def __await__(self) -> Generator[Any, None, _Pool]:
        yield from ()
        return self


class ProofDatabase(Database):
    """The store's pool on a process' way."""

    def __init__(self, way: Way, *, size: int = 4, dispatching: bool = False, is_planned_once: bool = False) -> None:
        super().__init__("", size=size, dispatching=dispatching, is_planned_once=is_planned_once)
        self._way = way

    async def _open(self) -> Any:
        if self._pool is None:
            self._pool = _Pool(self._way, self._size, plans_of(self._settings))  # type: ignore[assignment]
        return self._pool


class ProofOne(OneConnection):
    """The store's single connection on a process' way."""

    def __init__(self, way: Way) -> None:
        super().__init__("", dispatching=True)
        self._way = way

    async def _connected(self) -> Any:
        if self._kept is None or self._kept.is_closed():
            self._kept = await self._way.connect(plans_of(self._settings))  # type: ignore[assignment]
        return self._kept


def plans_of(settings: dict[str, str]) -> dict[str, str]:
    """The settings that decide what a statement does; its time limits are the virtual clock's business here."""
    return {name: value for name, value in settings.items() if "timeout" not in name and "keepalives" not in name}
