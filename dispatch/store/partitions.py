"""Tables in parts by time: a day or a month each, made before they are needed and dropped when they are old."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

import msgspec

from dispatch.store.database import Connection, statements

SQL = statements("partitions")
_ONE_MAKES = "SELECT pg_advisory_xact_lock(7205759403795)"
"""Two that make the same part at once would stumble over each other in four different ways, IF NOT EXISTS or not."""


class Parted(msgspec.Struct, frozen=True):
    """A table whose parts are days, or months (each then stands under its first day)."""

    name: str
    by_month: bool = False

    def part_of(self, day: date) -> date:
        """The first day of the part that a day belongs to."""
        return day.replace(day=1) if self.by_month else day

    def end_of(self, start: date) -> date:
        """The first day after a part."""
        return (start + timedelta(days=31)).replace(day=1) if self.by_month else start + timedelta(days=1)

    def table_of(self, start: date) -> str:
        """What a part is called."""
        return f"{self.name}_{start:%Y%m}" if self.by_month else f"{self.name}_{start:%Y%m%d}"

    def start_in(self, table: str) -> date:
        """The first day of the part that is called so."""
        told = table.removeprefix(f"{self.name}_")
        return datetime.strptime(told, "%Y%m" if self.by_month else "%Y%m%d").replace(tzinfo=UTC).date()


async def parts(connection: Connection, table: Parted) -> set[date]:
    """The first days of the parts there are."""
    return {table.start_in(row["name"]) for row in await connection.fetch(SQL["parts"], table.name)}


async def make_parts(connection: Connection, table: Parted, days: Iterable[date]) -> list[date]:
    """Make the parts of days that have none; returns their first days. Two processes may do so at the same time."""
    wanted = {table.part_of(day) for day in days}
    if wanted <= await parts(connection, table):
        return []
    async with connection.transaction():
        await connection.execute(_ONE_MAKES)
        missing = sorted(wanted - await parts(connection, table))
        for start in missing:
            bounds = (datetime.combine(day, time(), UTC) for day in (start, table.end_of(start)))
            make = await connection.fetchval(SQL["make_part"], table.name, table.table_of(start), *bounds)
            await connection.execute(make)
    return missing


async def drop_parts(connection: Connection, table: Parted, before: date) -> list[date]:
    """Take away all parts that end before a day, or on it; returns their first days."""
    old = sorted(start for start in await parts(connection, table) if table.end_of(start) <= before)
    for start in old:
        await connection.execute(await connection.fetchval(SQL["drop_part"], table.table_of(start)))
    return old
