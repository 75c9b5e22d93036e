"""Deadlines: sleeps until the earliest clock of all runs out, and fires it. Timers are rows, so a restart loses none.

A commit that brings an earlier clock wakes it; polling the database is the truth behind that.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Protocol

from dispatch import logs
from dispatch.clock import Clock
from dispatch.engine import Committed, Outcome
from dispatch.errors import SteppedDown, Unreachable
from dispatch.incident.clocks import due_at
from dispatch.model import IncidentId
from dispatch.store import incidents
from dispatch.store.database import Bell, Database

POLL_S = 0.5
AT_ONCE_MAX = 5_000
"""Read at once; the engine commits them in batches of its own, the gravest first."""
log = logs.get("deadlines")


class FiresDue(Protocol):
    """The part of the engine that the deadlines use."""

    def fire_due(self, incident_ids: Iterable[IncidentId]) -> Awaitable[list[Outcome | BaseException]]:
        """Fire every clock of these incidents that has run out."""


class Deadlines:
    """Fires clocks. `on_lag` hears, for each batch, by how many seconds the earliest of it was late."""

    def __init__(
        self, database: Database, clock: Clock, engine: FiresDue, on_lag: Callable[[float], None] = lambda _: None
    ) -> None:
        self._database = database
        self._clock = clock
        self._engine = engine
        self._on_lag = on_lag
        self._bell = Bell()
        self._next_at: datetime | None = None

    def on_committed(self, committed: Committed) -> None:
        """Wake up earlier if a commit brought an earlier clock."""
        for part in committed.parts:
            at = due_at(part.after)
            if at is not None and (self._next_at is None or at < self._next_at):
                self._next_at = at
                self._bell.ring()

    async def run(self) -> None:
        """Fire what is due until cancelled."""
        while True:
            try:
                fired = await self.step()
                if fired < AT_ONCE_MAX:
                    await self._rest()
            except (Unreachable, SteppedDown) as error:
                log.warning("deadlines_wait", code=error.code, **error.params)
                await self._clock.sleep(POLL_S)

    async def step(self) -> int:
        """Fire everything that is due now (at most a batch).

        Returns how many incidents that was; 0, too, if not one of them could be fired. Raises Unreachable, SteppedDown.
        """
        now = self._clock.now()
        async with self._database.connection() as connection:
            ids = await incidents.due(connection, now, AT_ONCE_MAX)
            self._next_at = earliest = await incidents.next_due(connection)
        if not ids:
            return 0
        if earliest is not None:
            self._on_lag((now - earliest).total_seconds())
        fired = zip(ids, await self._engine.fire_due(ids), strict=True)
        failed = [(incident_id, each) for incident_id, each in fired if isinstance(each, BaseException)]
        for incident_id, error in failed:
            if isinstance(error, Unreachable | SteppedDown):
                raise error
            log.error("deadline_not_fired", incident_id=str(incident_id), error=repr(error))
            self._next_at = None  # so that one that cannot be fired is tried at a poll's pace
        return len(ids) if len(failed) < len(ids) else 0

    async def _rest(self) -> None:
        """Until the earliest known clock, at most a poll's length; a ring re-considers."""
        self._bell.hush()
        if self._next_at is None:
            await self._clock.wait(self._bell.event, POLL_S)
            return
        seconds = (self._next_at - self._clock.now()).total_seconds()
        if seconds > 0:
            await self._clock.wait(self._bell.event, min(POLL_S, seconds))
        else:
            await self._clock.sleep(0.01)
