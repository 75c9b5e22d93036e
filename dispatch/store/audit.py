"""What the watcher asks of the database: unfired clocks, calls nobody answers, our own troubles, open boards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from dispatch.model import HomeId, IncidentId
from dispatch.store.database import Connection, statements

SQL = statements("audit")
COUNTED_MAX = 1_000
"""More clocks than this are not counted: an index is followed so far and no farther, however bad it is."""


class Unfired(msgspec.Struct, frozen=True):
    """How many clocks are late (`COUNTED_MAX` at most), and when the earliest of all clocks runs, or ran, out."""

    unfired: int
    earliest_at: datetime | None


class OpenCalls(msgspec.Struct, frozen=True):
    """All open incidents at a glance.

    `astray` have a stored deadline that is not the earliest of their clocks (`first_astray` is one of them), so nobody
    would wake for them. `unanswered_since` is the opening of the oldest call of band 0 or 1 that no person has
    answered; `answered_at` when somebody last answered one that is still open.
    """

    open: int
    astray: int
    first_astray: str | None
    unanswered_since: datetime | None
    answered_at: datetime | None


class RoomRow(msgspec.Struct, frozen=True):
    """What one process said of the boards it has open; `beat` rises each time it says so."""

    instance: str
    boards: int
    beat: int


async def unfired(connection: Connection, before: datetime) -> Unfired:
    """Clocks that ran out before an instant and have not fired. Follows an index only."""
    row = await connection.fetchrow(SQL["unfired"], before, COUNTED_MAX)
    assert row is not None
    return Unfired(**row)


async def open_calls(connection: Connection) -> OpenCalls:
    """Look at every open incident once (20,000: some 20 ms of the database's time)."""
    row = await connection.fetchrow(SQL["open_calls"])
    assert row is not None
    return OpenCalls(**row)


async def answered_since(connection: Connection, since: datetime) -> datetime | None:
    """When somebody last answered one of the calls closed since then."""
    at: datetime | None = await connection.fetchval(SQL["answered_since"], since)
    return at


async def open_troubles(connection: Connection, subject_ids: Iterable[str]) -> dict[str, IncidentId]:
    """The open incidents about the centre itself, by their subject."""
    rows = await connection.fetch(SQL["open_troubles"], list(subject_ids))
    return {row["subject_id"]: IncidentId(row["incident_id"]) for row in rows}


async def say_boards(connection: Connection, instance: str, boards: int) -> None:
    """Tell whoever leads how many boards this process has open."""
    await connection.execute(SQL["say_boards"], instance, boards)


async def rooms(connection: Connection) -> list[RoomRow]:
    """What every process ever said."""
    return [RoomRow(**row) for row in await connection.fetch(SQL["rooms"])]


async def home_of_incident(connection: Connection, incident_id: IncidentId) -> HomeId | None:
    """The home that an incident is about."""
    home_id: HomeId | None = await connection.fetchval(SQL["home_of_incident"], incident_id)
    return home_id
