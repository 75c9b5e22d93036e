"""How many boards are open anywhere: each process says how many it has, whoever leads adds them up."""

from __future__ import annotations

from collections.abc import Callable

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.store import audit
from dispatch.store.database import Connection, Database

SAID_EVERY_S = 5.0
SILENT_AFTER_S = 15.0
"""A process that has said nothing for so long, by our own clock, has no board open."""
log = logs.get("watch")


class Rooms:
    """`run` says how many boards are open here, in every process; `count` is for whoever leads."""

    def __init__(self, database: Database, clock: Clock, instance: str, boards: Callable[[], int]) -> None:
        self._database = database
        self._clock = clock
        self._instance = instance
        self._boards = boards
        self._said = 0
        self._heard: dict[str, tuple[int, float]] = {}

    async def run(self) -> None:
        """Say it until cancelled, for as long as there is something to say."""
        while True:
            boards = self._boards()
            if boards or self._said:
                try:
                    async with self._database.connection() as connection:
                        await audit.say_boards(connection, self._instance, boards)
                    self._said = boards
                except Unreachable as error:
                    log.warning("rooms_wait", **error.params)
            await self._clock.sleep(SAID_EVERY_S)

    async def count(self, connection: Connection) -> int:
        """Boards open anywhere. A process not heard of before counts until it has been silent. Raises Unreachable."""
        total, now_s = self._boards(), self._clock.elapsed()
        for row in await audit.rooms(connection):
            if row.instance == self._instance:
                continue
            beat, at_s = self._heard.get(row.instance, (None, now_s))
            if beat != row.beat:
                at_s = now_s
            self._heard[row.instance] = (row.beat, at_s)
            total += row.boards if now_s - at_s < SILENT_AFTER_S else 0
        return total
