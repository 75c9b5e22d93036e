"""Our own record of when we were listening to readings: a home's silence counts over that time alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.health.silence import Span
from dispatch.store import rounds
from dispatch.store.database import Database

NOTE_EVERY_S = 60.0
log = logs.get("listening")


class Listening:
    """Notes each minute that we still listen, and begins a new span when we listen again. Runs under the lease."""

    def __init__(self, database: Database, clock: Clock, is_listening: Callable[[], bool]) -> None:
        self._database = database
        self._clock = clock
        self._is_listening = is_listening
        self._span: tuple[UUID, datetime] | None = None

    async def run(self) -> None:
        """Note until cancelled."""
        self._span = None  # nobody knows whether another process listened meanwhile
        while True:
            try:
                await self.step()
            except Unreachable as error:
                log.warning("listening_waits", **error.params)
                self._span = None
            await self._clock.sleep(NOTE_EVERY_S)

    async def step(self) -> None:
        """Note that we listen, if we do. Raises Unreachable."""
        if not self._is_listening():
            self._span = None
            return
        now = self._clock.now()
        if self._span is None:
            self._span = (self._clock.new_id(), now)
        span_id, start_at = self._span
        async with self._database.connection() as connection:
            await rounds.listen(connection, span_id, Span(start_at, now))
