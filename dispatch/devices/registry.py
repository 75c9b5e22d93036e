"""Which terminals are ours, and what is critical for the elder each of them measures."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import BadInput, Unreachable
from dispatch.health.thresholds import DEFAULTS, Thresholds, with_own
from dispatch.health.watches import Watches
from dispatch.model import Alarm, TerminalId, Vitals
from dispatch.store import people
from dispatch.store.database import Database

READ_EVERY_S = 60.0
log = logs.get("registry")


class Registry:
    """Elders' own limits are few and are held in memory, read anew each minute; whether a terminal is ours is asked.

    Which limits are crossed and for how long is held in memory alone (see `dispatch.health.watches` for a restart).
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._own: dict[TerminalId, Thresholds] = {}
        self._watches = Watches()

    async def registered(self, terminal_ids: AbstractSet[TerminalId]) -> set[TerminalId]:
        """Those of these terminals that hang in a home. Raises Unreachable."""
        if not terminal_ids:
            return set()
        async with self._database.connection() as connection:
            return await people.registered(connection, terminal_ids)

    def judge(self, readings: Sequence[Vitals]) -> list[Alarm]:
        """The alarms that these readings raise: by staying critical, or at once by being extreme.

        Given again with the same readings, for the alarms could not be stored, it gives the same alarms.
        """
        judged = (self._watches.judge(each, self._own.get(each.terminal_id, DEFAULTS)) for each in readings)
        return [alarm for alarm in judged if alarm is not None]

    async def read(self) -> None:
        """Read elders' own limits; for one that makes no sense the defaults hold. Raises Unreachable."""
        async with self._database.connection() as connection:
            told = await people.own_limits(connection)
        own: dict[TerminalId, Thresholds] = {}
        for terminal_id, limits in told.items():
            try:
                own[terminal_id] = with_own(limits)
            except BadInput as error:
                log.warning("bad_thresholds", terminal_id=terminal_id, **error.params)
        self._own = own

    async def run(self) -> None:
        """Read elders' own limits now and then until cancelled."""
        while True:
            try:
                await self.read()
            except Unreachable as error:
                log.warning("registry_waits", **error.params)
            self._watches.forget(self._clock.now())
            await self._clock.sleep(READ_EVERY_S)
