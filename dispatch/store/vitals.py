"""Readings: in by COPY, into one table for each day (UTC) they are received on; out without doubles.

COPY cannot skip what is there already, and a reading that comes twice, late or out of order is ordinary: what was told
is put right where it is read (here) and where it is summed up (`hours`). A reading counts for when its device says that
it happened, unless that is later than we heard of it or more than 30 days before: then nobody set that clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime

import asyncpg

from dispatch.model import ElderId, TerminalId, Vitals
from dispatch.store.database import Connection, statements
from dispatch.store.partitions import Parted, make_parts
from dispatch.store.vitals_bytes import COLUMNS, as_copied

SQL = statements("vitals")
TABLE = Parted("vitals")


async def add(connection: Connection, readings: Sequence[Vitals]) -> None:
    """Keep readings; a day that has no table yet gets one."""
    rows = as_copied(readings)
    try:
        await _copy(connection, rows)
    except asyncpg.CheckViolationError:  # no partition for a row
        await make_parts(connection, TABLE, {each.received_at.astimezone(UTC).date() for each in readings})
        await _copy(connection, rows)


async def _copy(connection: Connection, rows: bytes) -> None:
    await connection.copy_to_table("vitals", source=_in_one_piece(rows), columns=COLUMNS, format="binary")


async def _in_one_piece(rows: bytes) -> AsyncIterator[bytes]:
    """What can be read like a file the driver has read by another thread, twice a batch; this goes straight out."""
    yield rows


async def of_terminals(
    connection: Connection, terminal_ids: Collection[str], since: datetime, until: datetime, limit: int
) -> list[Vitals]:
    """What these terminals measured from `since` to `until`, newest first; a reading that was told twice comes once.

    What was received more than a day after `until` is left out, so that no more than a few days' tables are looked at.
    """
    if not terminal_ids:
        return []
    rows = await connection.fetch(SQL["of_terminals"], list(terminal_ids), since, until, limit)
    return [Vitals(**row) for row in rows]


async def terminals_of_elders(connection: Connection, ids: Collection[str]) -> dict[ElderId, list[TerminalId]]:
    """The terminals that measure each elder: worn, or the home's where the elder lives alone. Elders without: absent.

    In a home of two a terminal that nobody wears says nothing about either.
    """
    found: dict[ElderId, list[TerminalId]] = {}
    for row in await connection.fetch(SQL["terminals_of_elders"], list(ids)):
        found.setdefault(row["elder_id"], []).append(row["terminal_id"])
    return found
