"""The short way of what comes most and is most urgent: a new call of a home where nothing is going on.

It touches nothing that is there already, so it needs no lock, and goes in with one look and one statement. The unique
indexes refuse it if somebody else was quicker; then, and for every other alarm, it is the long way, under locks.

Two batches may be on the short way at the same time: while PostgreSQL writes the one, the next is looked at and
decided. What is entangled with anything waits until none is on its way, so that of one home all is seen in its order.

That holds within one process, and one hears the terminals: whoever leads. Should a cancel ever come in through another
one in the same milliseconds as its alarm, neither would see the other, and the call would go on as if uncancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from dispatch.engine.committer import Waiting
from dispatch.engine.ground import look_for_new_calls
from dispatch.engine.items import RaiseAlarm
from dispatch.model import Alarm, HomeId, TerminalId
from dispatch.store.database import Connection, Database

Homes = dict[TerminalId, HomeId]
Write = Callable[[Connection, list[Waiting], Homes], Awaitable[None]]
"""Commits new calls of these homes and answers them. Raises asyncpg.UniqueViolationError if one is none any more."""


@dataclass(frozen=True)
class _Seen:
    """What a look told: which are new calls, of which homes, and which are entangled with something."""

    new: list[Waiting]
    homes: Homes
    entangled: list[Waiting]


class NewCalls:
    """Commits alarms, each by the way that is open to it. `ways` are connections of its own, one a batch under way."""

    def __init__(
        self,
        ways: Sequence[Database],
        write: Write,
        long_way: Callable[[list[Waiting]], Awaitable[None]],
        unsure: Callable[[list[Waiting]], int | None],
    ) -> None:
        self._ways = list(ways)
        self._write = write
        self._long_way = long_way
        self._unsure = unsure
        self._turn = asyncio.Lock()
        self._under_way: set[HomeId] = set()
        self._none_under_way = asyncio.Event()
        self._none_under_way.set()

    async def commit(self, waiting: list[Waiting]) -> None:
        """Make alarms durable and answer them. Raises what either way raises; some may be durable then."""
        if self._unsure(waiting) is not None:
            await self._long_way(waiting)  # which asks for the lease
            return
        async with self._way() as connection:
            async with self._turn:
                seen = await self._look(connection, waiting)
                if not seen.entangled:
                    self._begin(seen.homes)
            if not seen.entangled:
                try:
                    if await self._written(connection, seen):
                        return
                finally:
                    self._end(seen.homes)
        async with self._turn:
            await self._none_under_way.wait()
            is_written = False
            if seen.new and seen.entangled:
                async with self._way() as connection:
                    is_written = await self._written(connection, seen)
            await self._long_way(seen.entangled if is_written else waiting)

    @asynccontextmanager
    async def _way(self) -> AsyncIterator[Connection]:
        way = self._ways.pop()
        try:
            async with way.connection() as connection:
                yield connection
        finally:
            self._ways.append(way)

    async def _look(self, connection: Connection, waiting: list[Waiting]) -> _Seen:
        homes = await look_for_new_calls(connection, [_alarm(each) for each in waiting])
        homes = {terminal_id: home_id for terminal_id, home_id in homes.items() if home_id not in self._under_way}
        new = [each for each in waiting if _alarm(each).terminal_id in homes]
        return _Seen(new, homes, [each for each in waiting if _alarm(each).terminal_id not in homes])

    async def _written(self, connection: Connection, seen: _Seen) -> bool:
        """Write the new calls; False, and nothing was written, if somebody else was quicker."""
        try:
            await self._write(connection, seen.new, seen.homes)
        except asyncpg.UniqueViolationError:
            return False
        return True

    def _begin(self, homes: Homes) -> None:
        self._under_way |= set(homes.values())
        self._none_under_way.clear()

    def _end(self, homes: Homes) -> None:
        self._under_way -= set(homes.values())
        if not self._under_way:
            self._none_under_way.set()


def _alarm(waiting: Waiting) -> Alarm:
    item, _ = waiting
    assert isinstance(item, RaiseAlarm)
    return item.alarm
