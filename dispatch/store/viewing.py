"""What people look at: incidents with all that stands around them, workers, timelines. Reads only.

Each function is one statement for many ids, so that a screenful costs as many round trips as one call.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatch.incident.states import AssignmentState
from dispatch.model import (
    Access,
    AssignmentId,
    Contact,
    Elder,
    ElderId,
    Home,
    HomeId,
    IncidentId,
    Place,
    StationId,
    TerminalId,
    Travel,
    Worker,
    WorkerId,
)
from dispatch.store.database import Connection, statements

SQL = statements("viewing")
DIGITS_MIN = 4
"""The shortest end of a telephone number that is worth looking for."""

_access = msgspec.json.Decoder(Access)


async def last_seq(connection: Connection) -> int:
    """The newest entry of the log; 0 if it is empty."""
    return int(await connection.fetchval(SQL["last_seq"]))


class Changes(msgspec.Struct, frozen=True):
    """What the log says behind some entry. `is_all` is False if there may be more than was asked for."""

    seq: int
    incident_ids: set[IncidentId]
    is_all: bool


async def changed_since(connection: Connection, after: int, limit: int) -> Changes:
    """The incidents that the first `limit` entries behind `after` concern, and the number of the last of these."""
    rows = await connection.fetch(SQL["changed_since"], after, limit)
    return Changes(
        seq=max((row["seq"] for row in rows), default=after),
        incident_ids={row["incident_id"] for row in rows if row["incident_id"] is not None},
        is_all=sum(row["entries"] for row in rows) < limit,
    )


async def incidents_on_board(connection: Connection, closed_since: datetime) -> list[IncidentId]:
    """Open incidents, and those closed since an instant."""
    return [row["incident_id"] for row in await connection.fetch(SQL["incidents_on_board"], closed_since)]


async def numbers_of_incidents(connection: Connection, ids: Iterable[IncidentId]) -> dict[IncidentId, int]:
    """The number people call each incident by."""
    rows = await connection.fetch(SQL["numbers_of_incidents"], list(ids))
    return {row["incident_id"]: row["number"] for row in rows}


async def homes_by_id(connection: Connection, ids: Iterable[str]) -> dict[HomeId, Home]:
    """Homes by id; one that does not exist is absent."""
    rows = await connection.fetch(SQL["homes_by_id"], list(ids))
    return {row["home_id"]: home_of(row) for row in rows}


def home_of(row: Any) -> Home:
    """The home that a row with all of its columns stands for."""
    return Home(
        id=HomeId(row["home_id"]),
        address=row["address"],
        place=place_of(row),
        access=_access.decode(row["access"]),
        station_id=row["station_id"],
        is_known=row["is_known"],
    )


def place_of(row: Any) -> Place | None:
    """The place in a row's lat, lon and accuracy_m, or None."""
    return None if row["lat"] is None else Place(row["lat"], row["lon"], row["accuracy_m"])


async def residents_of_homes(
    connection: Connection, ids: Iterable[str], day: date, callers: Iterable[TerminalId] = ()
) -> dict[HomeId, tuple[Elder, ...]]:
    """Who lives in each home on a day; whoever wears one of the `callers` comes first."""
    found: dict[HomeId, tuple[Elder, ...]] = {}
    for row in await connection.fetch(SQL["residents_of_homes"], list(ids), day, list(callers)):
        elder = Elder(
            id=ElderId(row["elder_id"]),
            name=row["name"],
            birth_year=row["birth_year"],
            phone=row["phone"],
            risks=tuple(row["risks"]),
            note=row["note"],
        )
        home_id = HomeId(row["home_id"])
        found[home_id] = (*found.get(home_id, ()), elder)
    return found


async def contacts_of_homes(connection: Connection, ids: Iterable[str]) -> dict[HomeId, tuple[Contact, ...]]:
    """Whom to call for each home, in order."""
    found: dict[HomeId, tuple[Contact, ...]] = {}
    for row in await connection.fetch(SQL["contacts_of_homes"], list(ids)):
        contact = Contact(**row)
        found[contact.home_id] = (*found.get(contact.home_id, ()), contact)
    return found


class Standing(msgspec.Struct, frozen=True):
    """A worker, and the state and incident of what they are asked for or hold, if anything."""

    worker: Worker
    state: AssignmentState | None
    incident_id: IncidentId | None


async def all_workers(connection: Connection) -> list[Standing]:
    """Everybody who can go, in order of id."""
    return [_standing(row) for row in await connection.fetch(SQL["all_workers"])]


async def workers_by_id(connection: Connection, ids: Iterable[str]) -> dict[WorkerId, Standing]:
    """Workers by id; one that does not exist is absent."""
    rows = await connection.fetch(SQL["workers_by_id"], list(ids))
    return {row["worker_id"]: _standing(row) for row in rows}


def _standing(row: Any) -> Standing:
    worker = Worker(
        id=WorkerId(row["worker_id"]),
        name=row["name"],
        station_id=StationId(row["station_id"]),
        travel=Travel(row["travel"]),
        phone=row["phone"],
        skills=frozenset(row["skills"]),
        is_on_duty=row["is_on_duty"],
        place=place_of(row),
        place_at=row["place_at"],
    )
    state = AssignmentState(row["live_state"]) if row["live_state"] else None
    return Standing(worker, state, row["incident_id"])


async def workers_moved_since(connection: Connection, at: datetime) -> list[WorkerId]:
    """Who came on or off duty, or was heard from, since an instant."""
    return [row["worker_id"] for row in await connection.fetch(SQL["workers_moved_since"], at)]


async def centre_counts(connection: Connection) -> tuple[int, int]:
    """How many messages are parked, and how many stations there are."""
    row = await connection.fetchrow(SQL["centre_counts"])
    assert row is not None
    return row["parked"], row["stations"]


# --- one incident -----------------------------------------------------------------------------------------------------


class Line(msgspec.Struct, frozen=True):
    """One entry of the log."""

    seq: int
    at: datetime
    code: str
    by: str
    state: str
    level: int
    facts: dict[str, Any]


async def timeline(connection: Connection, incident_id: IncidentId) -> list[Line]:
    """An incident's entries of the log, in order."""
    rows = await connection.fetch(SQL["timeline"], incident_id)
    return [Line(**{**row, "facts": msgspec.json.decode(row["facts"])}) for row in rows]


class Written(msgspec.Struct, frozen=True):
    """A note."""

    note_id: UUID
    at: datetime
    by: str
    content: str


async def notes_of_incident(connection: Connection, incident_id: IncidentId) -> list[Written]:
    """What people wrote about an incident, oldest first."""
    return [Written(**row) for row in await connection.fetch(SQL["notes_of_incident"], incident_id)]


class RankedRow(msgspec.Struct, frozen=True):
    """One candidate as a ranking was stored."""

    worker_id: WorkerId
    eta_s: int | None = None
    distance_m: int | None = None
    is_eligible: bool = False
    reasons: tuple[str, ...] = ()


class StoredRanking(msgspec.Struct, frozen=True):
    """Why the workers that were asked last."""

    ranked_at: datetime
    candidates: tuple[RankedRow, ...]
    counts: dict[str, int]


_ranked = msgspec.json.Decoder(tuple[RankedRow, ...])
_counts = msgspec.json.Decoder(dict[str, int])


async def last_ranking(connection: Connection, incident_id: IncidentId) -> StoredRanking | None:
    """Why the workers that were asked last; None if none was ranked."""
    row = await connection.fetchrow(SQL["last_ranking"], incident_id)
    if row is None:
        return None
    return StoredRanking(row["ranked_at"], _ranked.decode(row["candidates"]), _counts.decode(row["counts"]))


async def offer_by_id(
    connection: Connection, offer_id: AssignmentId
) -> tuple[IncidentId, WorkerId, AssignmentState] | None:
    """The incident, worker and state of an offer, or None."""
    row = await connection.fetchrow(SQL["offer_by_id"], offer_id)
    return (row["incident_id"], row["worker_id"], AssignmentState(row["state"])) if row else None


async def last_parts_of_workers(
    connection: Connection, ids: Iterable[str], ended_since: datetime
) -> dict[WorkerId, tuple[AssignmentId, IncidentId]]:
    """The offer or assignment each worker holds, or else the last that ended since an instant; with its incident."""
    rows = await connection.fetch(SQL["last_parts_of_workers"], list(ids), ended_since)
    return {row["worker_id"]: (row["assignment_id"], row["incident_id"]) for row in rows}


async def graver_at(connection: Connection, ids: Iterable[IncidentId]) -> dict[IncidentId, datetime]:
    """When each incident last became graver; those that never did are absent."""
    return {row["incident_id"]: row["at"] for row in await connection.fetch(SQL["graver_at"], list(ids))}


# --- searching --------------------------------------------------------------------------------------------------------


async def find_homes(connection: Connection, text: str, limit: int) -> list[tuple[HomeId, str]]:
    """Homes that fit what was typed, best first, and by what: terminal, phone, elder, contact, address."""
    literal = re.sub(r"([\\%_])", r"\\\1", text)
    digits = re.sub(r"^(00)?86(?=1\d{10}$)", "", re.sub(r"[\s()+-]", "", unicodedata.normalize("NFKC", text)))
    is_phone = digits.isascii() and digits.isdigit() and len(digits) >= DIGITS_MIN
    rows = await connection.fetch(
        SQL["find_homes"], text, f"{literal}%", f"%{literal}%", digits if is_phone else "", limit
    )
    return [(row["home_id"], row["by"]) for row in rows]


async def terminals_of_homes(connection: Connection, ids: Iterable[str]) -> dict[HomeId, tuple[TerminalId, ...]]:
    """What hangs in each home; a home without a terminal is absent."""
    found: dict[HomeId, tuple[TerminalId, ...]] = {}
    for row in await connection.fetch(SQL["terminals_of_homes"], list(ids)):
        found[row["home_id"]] = (*found.get(row["home_id"], ()), row["terminal_id"])
    return found


async def open_calls_of_homes(connection: Connection, ids: Iterable[str]) -> dict[HomeId, IncidentId]:
    """The open call for help of each home that has one."""
    rows = await connection.fetch(SQL["open_calls_of_homes"], list(ids))
    return {row["home_id"]: row["incident_id"] for row in rows}
