"""One connection to PostgreSQL, kept by one user who needs it again and again and never twice at a time.

A pool's lending and taking back costs as much as a short statement, and a press waits for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from dispatch.clock import limit
from dispatch.store import database
from dispatch.store.database import AWAY, NO_WAY_IN, Connection, Database, away


class OneConnection(Database):
    """Connects when it is needed, and again after it broke."""

    def __init__(self, dsn: str, *, dispatching: bool = False) -> None:
        super().__init__(dsn, size=1, dispatching=dispatching, is_planned_once=True)
        self._kept: asyncpg.Connection | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """The connection; whoever comes second waits. Raises Unreachable."""
        async with self._turn:
            try:
                kept = await self._connected()
            except NO_WAY_IN as error:
                raise away(error) from error
            is_whole = False
            try:
                yield kept
                is_whole = True
            except AWAY as error:
                raise away(error) from error
            except asyncpg.PostgresError:
                is_whole = True  # an answer came: the statement's own fault
                raise
            finally:
                if not is_whole or kept.is_in_transaction():  # left in the middle: nobody knows what it waits for
                    kept.terminate()

    async def _connected(self) -> asyncpg.Connection:
        if self._kept is None or self._kept.is_closed():
            self._kept = await asyncpg.connect(
                self._dsn,
                timeout=database.CONNECT_WITHIN_S,
                command_timeout=database.COMMAND_WITHIN_S,
                server_settings=self._settings,
                max_cached_statement_lifetime=database.PLAN_KEPT_S,
            )
        return self._kept

    async def close(self) -> None:
        """Close the connection, giving up politeness after a moment."""
        kept, self._kept = self._kept, None
        if kept is None:
            return
        try:
            async with limit(database.CLOSE_WITHIN_S):
                await kept.close()
        except AWAY:
            kept.terminate()
