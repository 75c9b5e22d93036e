"""What the router reads: the workers, and the calls that want somebody."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from dispatch.model import Access, Band, IncidentId, Place, StationId, Travel, Worker, WorkerId
from dispatch.store.database import Connection, statements

SQL = statements("roster")


class RosterEntry(msgspec.Struct, frozen=True):
    """A worker, where the station is, and whether a call occupies the worker now."""

    worker: Worker
    station: Place
    is_busy: bool


class WaitingCall(msgspec.Struct, frozen=True):
    """A call that wants somebody, or whose candidates somebody asks for.

    `declined` said no; `silent` let it lapse or were lost on it, once for each time.
    """

    incident_id: IncidentId
    band: Band
    policy_hash: str
    place: Place | None
    access: Access
    station: Place | None
    declined: tuple[WorkerId, ...]
    silent: tuple[WorkerId, ...]
    opened_at: datetime | None = None
    level: int = 0
    wants: int = 0
    is_nobody: bool = False


async def workers(connection: Connection, after: WorkerId, limit: int) -> list[RosterEntry]:
    """The next workers after one id, in order of id; all of them have been read when none comes."""
    return [_entry(row) for row in await connection.fetch(SQL["workers"], after, limit)]


async def waiting(connection: Connection, limit: int, *, also_nobody: bool) -> list[WaitingCall]:
    """Calls that want more workers asked, gravest and oldest first; with `also_nobody` those, too, for whom nobody was
    left when they were last tried.
    """
    return [_waiting(row) for row in await connection.fetch(SQL["waiting"], limit, also_nobody)]


async def door(connection: Connection, incident_id: IncidentId) -> WaitingCall | None:
    """Where this incident's worker is to go; None if there is no such incident."""
    row = await connection.fetchrow(SQL["door"], incident_id)
    return _call(row) if row else None


def _entry(row: Any) -> RosterEntry:
    worker = Worker(
        id=WorkerId(row["worker_id"]),
        name=row["name"],
        station_id=StationId(row["station_id"]),
        travel=Travel(row["travel"]),
        phone=row["phone"],
        skills=frozenset(row["skills"]),
        is_on_duty=row["is_on_duty"],
        place=_place(row["lat"], row["lon"], row["accuracy_m"]),
        place_at=row["place_at"],
    )
    return RosterEntry(worker, Place(row["station_lat"], row["station_lon"]), row["is_busy"])


def _call(row: Any, **more: Any) -> WaitingCall:
    return WaitingCall(
        incident_id=row["incident_id"],
        band=Band(row["band"]),
        policy_hash=row["policy_hash"],
        place=_place(row["lat"], row["lon"]),
        access=msgspec.json.decode(row["access"] or b"{}", type=Access),
        station=_place(row["station_lat"], row["station_lon"]),
        declined=tuple(row["declined"] or ()),
        silent=tuple(row["silent"] or ()),
        **more,
    )


def _waiting(row: Any) -> WaitingCall:
    same = {name: row[name] for name in ("opened_at", "level", "wants")}
    return _call(row, is_nobody=row["nobody"], **same)


def _place(lat: float | None, lon: float | None, accuracy_m: float | None = None) -> Place | None:
    return None if lat is None or lon is None else Place(lat, lon, accuracy_m)
