"""The partition keeper: makes the tables of days and months ahead of time, and forgets what has been kept long enough.

Runs under the lease. What it forgets is small slices, so that nobody waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.store import hours, vitals
from dispatch.store.database import Database, statements
from dispatch.store.partitions import drop_parts, make_parts

SQL = statements("keeping")

DAYS_AHEAD = 3
LOOK_EVERY_S = 3600.0
RETRY_AFTER_S = 5.0
SLICE_ROWS = 2_000
SLICES_MAX = 500
IN_PARTS = {"vitals": vitals.TABLE, "vitals_hour": hours.TABLE}
"""A million rows a table in one round; the rest waits for the next."""
log = logs.get("keeper")


class Keeper:
    """`retention_days` says for each table how many days its rows are kept (see `settings.RetentionDays`)."""

    def __init__(self, database: Database, clock: Clock, retention_days: Mapping[str, int]) -> None:
        self._database = database
        self._clock = clock
        self._retention_days = retention_days

    async def run(self) -> None:
        """Keep until cancelled."""
        while True:
            try:
                await self.step()
            except Unreachable as error:
                log.warning("keeper_waits", **error.params)
                await self._clock.sleep(RETRY_AFTER_S)
            else:
                await self._clock.sleep(LOOK_EVERY_S)

    async def step(self) -> None:
        """One round: days ahead, then what is too old. Raises Unreachable."""
        await self.prepare()
        await self.forget()

    async def prepare(self) -> None:
        """Make the tables of yesterday (a clock may be set back), today and some days ahead. Raises Unreachable."""
        today = self._clock.now().date()
        days = [today + timedelta(days=n) for n in range(-1, DAYS_AHEAD + 1)]
        async with self._database.connection() as connection:
            made = [day for table in IN_PARTS.values() for day in await make_parts(connection, table, days)]
        if made:
            log.info("days_made", days=[str(day) for day in made])

    async def forget(self) -> None:
        """Take away what has been kept long enough. Raises Unreachable."""
        now = self._clock.now()
        for table, days in self._retention_days.items():
            before = now - timedelta(days=days)
            if table in IN_PARTS:
                async with self._database.connection() as connection:
                    dropped = len(await drop_parts(connection, IN_PARTS[table], before.date()))
            else:
                dropped = await self._forget(table, before)
            if dropped:
                log.info("forgotten", table=table, count=dropped)

    async def _forget(self, table: str, before: datetime) -> int:
        total = 0
        for _ in range(SLICES_MAX):
            async with self._database.connection() as connection:
                done = await connection.execute(SQL[f"forget_{table}"], before, SLICE_ROWS)
            count = int(done.rpartition(" ")[2])
            total += count
            if count < SLICE_ROWS:
                break
            await self._clock.sleep(0)
        return total
