"""Hourly figures of what was measured, and the hours in which each home was heard: made after each hour, kept longer.

Nothing is added up while readings come in. After an hour all that was *received* in it is looked through, some hundred
terminals at a time, and every hour that any of it *belongs* to is summed up anew from the readings themselves, doubles
left out. So what comes late or twice is right in the end, and doing an hour twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.health.baseline import Day
from dispatch.health.thresholds import PLAUSIBLE, SURFACE_SITES
from dispatch.model import TerminalId
from dispatch.store import vitals
from dispatch.store.database import Connection, Database, statements
from dispatch.store.partitions import Parted, make_parts, parts

SQL = statements("hours")
TABLE = Parted("vitals_hour", by_month=True)

MEASURED = (
    "heart_rate_bpm",
    "spo2_percent",
    "systolic_mmhg",
    "diastolic_mmhg",
    "temperature_c",
    "respiration_per_min",
)
HOUR = timedelta(hours=1)
LATE_MAX = timedelta(days=30)
"""What is later than that is not believed to be, see `vitals`."""

SETTLE = timedelta(minutes=5)
"""So long after an hour what was received in it has been stored."""

TERMINALS_AT_ONCE = 500
"""Some 50 ms for PostgreSQL: whoever stores or looks meanwhile hardly notices."""

RETRY_AFTER_S = 5.0
log = logs.get("hours")


async def sum_up(connection: Connection, terminal_ids: Collection[str], since: datetime, kept_since: datetime) -> None:
    """Put right every hour that what these terminals told in the hour from `since` on belongs to.

    `kept_since`: from when readings are all there; an hour before that keeps its figures. Values that no living person
    has, and temperatures of the skin, are left out.
    """
    least, most = zip(*(PLAUSIBLE[name] for name in MEASURED), strict=True)
    ids = list(terminal_ids)
    await connection.execute(SQL["sum_up"], ids, since, since + HOUR, least, most, list(SURFACE_SITES), kept_since)
    await connection.execute(SQL["heard"], ids, since, since + HOUR)


async def days_of_terminals(
    connection: Connection, terminal_ids: Collection[str], since: datetime, until: datetime, zone: str
) -> dict[TerminalId, dict[str, list[Day]]]:
    """By terminal and parameter its days in a time zone, the oldest first: the middle of the hours' middles.

    A terminal or parameter without readings is absent.
    """
    found: dict[TerminalId, dict[str, list[Day]]] = {}
    for row in await connection.fetch(SQL["days_of_terminals"], list(terminal_ids), since, until, zone):
        for name in MEASURED:
            if row[f"{name}_n"]:
                days = found.setdefault(row["terminal_id"], {}).setdefault(name, [])
                days.append(Day(row["day"], row[name], row[f"{name}_n"]))
    return found


class Hours:
    """Sums up one hour after the other, under the lease."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._is_sure = False
        self._at_once = TERMINALS_AT_ONCE

    async def run(self) -> None:
        """Sum up until cancelled."""
        self._is_sure = False  # what another leader received may have been stored after its mark
        while True:
            try:
                await self.step()
            except Unreachable as error:
                log.warning("hours_wait", **error.params)
                self._is_sure = False
                self._at_once = max(1, self._at_once // 4)  # so many may have been too much for one statement
                await self._clock.sleep(RETRY_AFTER_S)
            else:
                self._at_once = TERMINALS_AT_ONCE
                await self._clock.sleep(self._until_next_s())

    def _until_next_s(self) -> float:
        now = self._clock.now()
        return (_hour_of(now - SETTLE) + HOUR + SETTLE - now).total_seconds()

    async def step(self) -> None:
        """Sum up every whole hour that is not yet; the last one again if it may lack something. Raises Unreachable."""
        until = _hour_of(self._clock.now() - SETTLE)
        async with self._database.connection() as connection:
            days = await parts(connection, vitals.TABLE)
            since = await connection.fetchval(SQL["summed_until"])
        if not days:
            return
        kept_since = _start_of(min(days))
        since = kept_since if since is None else since if self._is_sure else since - HOUR
        while since < until:
            await self._sum_up_hour(since, kept_since)
            since += HOUR
            async with self._database.connection() as connection:
                await connection.execute(SQL["put_summed_until"], since)
        self._is_sure = True

    async def _sum_up_hour(self, since: datetime, kept_since: datetime) -> None:
        day_at = _start_of(since.astimezone(UTC).date())
        async with self._database.connection() as connection:
            await make_parts(connection, TABLE, [(since - LATE_MAX).date(), since.date()])
            await connection.execute(SQL["pressed"], since, since + HOUR)
        last: str | None = ""
        while last is not None:
            last = await self._sum_up_next(last, day_at, since, kept_since)
            await self._clock.sleep(0)

    async def _sum_up_next(self, last: str, day_at: datetime, since: datetime, kept_since: datetime) -> str | None:
        """The next terminals behind `last` that told anything on that day; the last of them, None at the end."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                SQL["next_terminals"], last, self._at_once, day_at, day_at + timedelta(days=1)
            )
            ids = [row["terminal_id"] for row in rows]
            if ids:
                await sum_up(connection, ids, since, kept_since)
        return ids[-1] if len(ids) == self._at_once else None


def _hour_of(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
