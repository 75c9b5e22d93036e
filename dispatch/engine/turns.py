"""Whose turn it is to commit, within this process: some that have no incident in common, or one that may touch any.

What was committed to one incident is then told in its order, whoever decided it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Given in the order in which they were asked for, so that a flood of the one kind never keeps out the other."""

    def __init__(self) -> None:
        self._door = asyncio.Lock()
        self._under_way = 0
        self._none_under_way = asyncio.Event()
        self._none_under_way.set()

    @asynccontextmanager
    async def beside_others(self) -> AsyncIterator[None]:
        """A turn for one of several that have nothing in common."""
        async with self._door:
            self._under_way += 1
            self._none_under_way.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none_under_way.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """A turn during which nobody else has one."""
        async with self._door:
            await self._none_under_way.wait()
            yield
