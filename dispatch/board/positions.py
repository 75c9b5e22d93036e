"""Where workers are: told to the router at once, written to the database twice a second in one statement."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from dispatch import logs
from dispatch.board.worker_messages import ReportPlace
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.model import Place, WorkerId
from dispatch.places import to_wgs84
from dispatch.store import duty
from dispatch.store.database import Database

WRITE_EVERY_S = 0.5
OLDEST = timedelta(hours=12)
"""A phone that claims to have stood somewhere longer ago than a shift has a wrong clock: its word counts as of now."""

log = logs.get("positions")
OnPlace = Callable[[WorkerId, Place, datetime], None]


class Positions:
    """The last place of each worker that is not yet written."""

    def __init__(self, database: Database, clock: Clock, on_place: OnPlace) -> None:
        self._database = database
        self._clock = clock
        self._on_place = on_place
        self._unwritten: dict[WorkerId, duty.Position] = {}

    def put(self, worker_id: WorkerId, told: ReportPlace) -> None:
        """Take what a phone told. Raises BadInput if it is no place on earth."""
        now = self._clock.now()
        at = min(told.at or now, now)
        if now - at > OLDEST:
            at = now
        place = to_wgs84(told.lat, told.lon, told.datum, told.accuracy_m)
        known = self._unwritten.get(worker_id)
        if known is None or known.at <= at:
            self._unwritten[worker_id] = duty.Position(worker_id, place, at)
            self._on_place(worker_id, place, at)

    async def run(self) -> None:
        """Write until cancelled; while the database is away the last places wait."""
        is_late = False
        while True:
            await self._clock.sleep(WRITE_EVERY_S)
            try:
                await self.step()
                is_late = False
            except Unreachable as error:
                if not is_late:
                    log.warning("places_not_written", waiting=len(self._unwritten), **error.params)
                is_late = True

    async def step(self) -> int:
        """Write what is waiting; returns how many places."""
        batch, self._unwritten = self._unwritten, {}
        if not batch:
            return 0
        try:
            async with self._database.connection() as connection:
                await duty.save_places(connection, list(batch.values()))
        except BaseException:
            self._unwritten = batch | self._unwritten
            raise
        return len(batch)
