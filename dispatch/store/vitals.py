"""Readings: in by COPY, into one table for each day (UTC) they are received on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from operator import attrgetter

import asyncpg

from dispatch.model import Vitals
from dispatch.store.database import Connection, statements

SQL = statements("vitals")

COLUMNS = (
    "terminal_id",
    "happened_at",
    "received_at",
    "heart_rate_bpm",
    "spo2_percent",
    "systolic_mmhg",
    "diastolic_mmhg",
    "temperature_c",
    "temperature_site",
    "respiration_per_min",
)


_row = attrgetter(*COLUMNS)


async def add(connection: Connection, readings: Sequence[Vitals]) -> None:
    """Keep readings; a day that has no table yet gets one."""
    rows = [_row(each) for each in readings]
    try:
        await connection.copy_records_to_table("vitals", records=rows, columns=COLUMNS)
    except asyncpg.CheckViolationError:  # no partition for a row
        await make_days(connection, {each.received_at.astimezone(UTC).date() for each in readings})
        await connection.copy_records_to_table("vitals", records=rows, columns=COLUMNS)


def table_of(day: date) -> str:
    """What one day's table is called."""
    return f"vitals_{day:%Y%m%d}"


async def days(connection: Connection) -> set[date]:
    """The days that have a table."""
    names = [row["name"] for row in await connection.fetch(SQL["days"])]
    return {datetime.strptime(name, "vitals_%Y%m%d").replace(tzinfo=UTC).date() for name in names}


async def make_days(connection: Connection, wanted: Iterable[date]) -> list[date]:
    """Make the tables of days that have none; returns those days. Two processes may do so at the same time."""
    missing = sorted(set(wanted) - await days(connection))
    for day in missing:
        start = datetime.combine(day, time(), UTC)
        make = await connection.fetchval(SQL["make_day"], start, start + timedelta(days=1), table_of(day))
        try:
            async with connection.transaction():
                await connection.execute(make)
        except (asyncpg.InvalidObjectDefinitionError, asyncpg.WrongObjectTypeError):
            continue  # another process made it first
    return missing


async def drop_days(connection: Connection, before: date) -> list[date]:
    """Take away the tables of all days before one; returns those days."""
    old = sorted(day for day in await days(connection) if day < before)
    for day in old:
        await connection.execute(await connection.fetchval(SQL["drop_day"], table_of(day)))
    return old
