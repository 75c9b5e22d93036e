"""The short way of what comes most and is most urgent: a new call of a home where nothing is going on.

It touches nothing that is there already, so it needs no lock, and goes in with one look and one statement. The unique
indexes refuse it if somebody else was quicker; then, and for every other alarm, it is the long way, under locks.

Two batches may be on the short way at the same time: while PostgreSQL writes the one, the next is looked at and
decided. What is entangled with anything has a line of its own, so that no new call waits behind a terminal gone mad. An
alarm there comes after the new calls that were on their way before it, and whatever its terminal says next comes after
it: of one home all is seen in its order.

That holds within one process, and one hears the terminals: whoever leads. Should a cancel ever come in through another
one in the same milliseconds as its alarm, neither would see the other, and the call would go on as if uncancelled.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg

from dispatch.engine.committer import Waiting
from dispatch.engine.ground import look_for_new_calls
from dispatch.engine.items import Outcome, RaiseAlarm
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
    """Commits new calls, and hands over all else. `ways` are connections of its own, one a batch under way."""

    def __init__(
        self,
        ways: Sequence[Database],
        write: Write,
        hand_over: Callable[[Waiting], None],
        unsure: Callable[[list[Waiting]], int | None],
    ) -> None:
        self._ways = list(ways)
        self._write = write
        self._hand_over = hand_over
        self._unsure = unsure
        self._turn = asyncio.Lock()
        self._under_way: dict[HomeId, asyncio.Event] = {}
        self._behind: Counter[TerminalId] = Counter()
        """Terminals of which an alarm has been handed over and is not answered: what follows it goes the same way."""

    async def commit(self, waiting: list[Waiting]) -> None:
        """Make new calls durable and answer them. All others are taken out of `waiting` and handed over.

        Raises what writing raises.
        """
        if self._unsure(waiting) is not None:
            self._entangle(waiting, waiting[:])  # the long way asks for the lease
            return
        async with self._way() as connection:
            async with self._turn:
                seen = await self._look(connection, waiting)
                self._entangle(waiting, seen.entangled)
                if not seen.new:
                    return
                ended = self._begin(seen.homes)
            try:
                if not await self._written(connection, seen):
                    self._entangle(waiting, seen.new)
            finally:
                self._end(seen.homes, ended)

    async def begun_have_ended(self) -> None:
        """Return when those new calls are answered that are on their way now: what was handed over comes after them."""
        for ended in set(self._under_way.values()):
            await ended.wait()

    def _entangle(self, waiting: list[Waiting], entangled: list[Waiting]) -> None:
        if not entangled:
            return
        gone = {id(future) for _, future in entangled}
        waiting[:] = [each for each in waiting if id(each[1]) not in gone]
        for each in entangled:
            terminal_id = _alarm(each).terminal_id
            self._behind[terminal_id] += 1
            each[1].add_done_callback(partial(self._answered, terminal_id))
            self._hand_over(each)

    def _answered(self, terminal_id: TerminalId, _future: asyncio.Future[Outcome]) -> None:
        self._behind[terminal_id] -= 1
        if not self._behind[terminal_id]:
            del self._behind[terminal_id]

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
        homes = {
            terminal_id: home_id
            for terminal_id, home_id in homes.items()
            if home_id not in self._under_way and terminal_id not in self._behind
        }
        new = [each for each in waiting if _alarm(each).terminal_id in homes]
        return _Seen(new, homes, [each for each in waiting if _alarm(each).terminal_id not in homes])

    async def _written(self, connection: Connection, seen: _Seen) -> bool:
        """Write the new calls; False, and nothing was written, if somebody else was quicker."""
        try:
            await self._write(connection, seen.new, seen.homes)
        except asyncpg.UniqueViolationError:
            return False
        return True

    def _begin(self, homes: Homes) -> asyncio.Event:
        ended = asyncio.Event()
        self._under_way |= dict.fromkeys(homes.values(), ended)
        return ended

    def _end(self, homes: Homes, ended: asyncio.Event) -> None:
        for home_id in homes.values():
            del self._under_way[home_id]
        ended.set()


def _alarm(waiting: Waiting) -> Alarm:
    item, _ = waiting
    assert isinstance(item, RaiseAlarm)
    return item.alarm
