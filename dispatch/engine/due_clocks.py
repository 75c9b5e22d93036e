"""The short way of clocks that have run out: read without locking, decided, and written in one statement by itself.

That statement writes only if every incident is still as it was read and the lease is still held; else nothing is
written and the batch takes the long way, under locks, which also says why. Two batches may be under way at the same
time: while PostgreSQL writes the one, the next is read and decided. Each incident is in one of them only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from dispatch.engine.committer import Waiting
from dispatch.engine.turns import Turns
from dispatch.errors import Overtaken
from dispatch.store.database import Connection, Database

Fire = Callable[[Connection, list[Waiting]], Awaitable[None]]
"""Fires clocks, commits and tells it. Raises Overtaken, and nothing was written, if it cannot be done without locks."""


class DueClocks:
    """Commits clocks that have run out. `ways` are connections of its own, one a batch under way."""

    def __init__(
        self,
        ways: Sequence[Database],
        turns: Turns,
        fire: Fire,
        long_way: Callable[[list[Waiting]], Awaitable[None]],
    ) -> None:
        self._ways = list(ways)
        self._turns = turns
        self._fire = fire
        self._long_way = long_way

    async def commit(self, waiting: list[Waiting]) -> None:
        """Make clocks' steps durable and answer them. Raises what either way raises."""
        try:
            async with self._turns.beside_others(), self._way() as connection:
                await self._fire(connection, waiting)
        except Overtaken:
            await self._long_way(waiting)

    @asynccontextmanager
    async def _way(self) -> AsyncIterator[Connection]:
        way = self._ways.pop()
        try:
            async with way.connection() as connection:
                yield connection
        finally:
            self._ways.append(way)
