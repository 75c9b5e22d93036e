"""Which terminals are ours, and what is critical for the elder each of them measures."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import BadInput, Unreachable
from dispatch.health.thresholds import DEFAULTS, Thresholds, as_alarm, crossed, with_own
from dispatch.model import Alarm, TerminalId, Vitals
from dispatch.store import people
from dispatch.store.database import Database

READ_EVERY_S = 60.0
log = logs.get("registry")


class Registry:
    """Elders' own limits are few and are held in memory, read anew each minute; whether a terminal is ours is asked."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._own: dict[TerminalId, Thresholds] = {}

    async def registered(self, terminal_ids: AbstractSet[TerminalId]) -> set[TerminalId]:
        """Those of these terminals that hang in a home. Raises Unreachable."""
        if not terminal_ids:
            return set()
        async with self._database.connection() as connection:
            return await people.registered(connection, terminal_ids)

    def judge(self, readings: Sequence[Vitals]) -> list[Alarm]:
        """The alarms that the critical ones among these readings raise."""
        alarms = []
        for reading in readings:
            codes = crossed(reading, self._own.get(reading.terminal_id, DEFAULTS))
            if codes:
                alarms.append(as_alarm(reading, codes))
        return alarms

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
            await self._clock.sleep(READ_EVERY_S)
