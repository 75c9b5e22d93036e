"""Incidents and their assignments: rows to records and back, one function a statement.

Locks are always taken in one order, ids ascending: lease, homes, incidents, workers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatch.incident.policy import Policies, Policy
from dispatch.incident.states import (
    Assignment,
    AssignmentState,
    Caller,
    Incident,
    IncidentClass,
    Subject,
    SubjectKind,
)
from dispatch.model import Alarm, AssignmentId, Band, HomeId, IncidentId, Key, Origin, TerminalId, WorkerId
from dispatch.store.database import Connection, statements

SQL = statements("incidents")


class PolicyShelf:
    """Policies by the hash that incidents keep, read from the database once each."""

    def __init__(self) -> None:
        self._known: dict[str, Policy] = {}

    async def fetch(self, connection: Connection, hashes: Iterable[str]) -> dict[str, Policy]:
        """The policies of these hashes."""
        missing = sorted(set(hashes) - self._known.keys())
        if missing:
            for row in await connection.fetch(SQL["policies_by_hash"], missing):
                self._known[row["hash"]] = msgspec.json.decode(row["content"], type=Policy)
        return self._known

    async def store(self, connection: Connection, policies: Policies, now: datetime) -> None:
        """Keep every policy in force, once by content."""
        self._known |= {policy.hash: policy for policy in policies.values()}
        contents = [msgspec.json.encode(policy, order="sorted").decode() for policy in policies.values()]
        await connection.execute(SQL["store_policies"], [each.hash for each in policies.values()], contents, now)


# --- locking and reading ---------------------------------------------------------------------------------------------


async def lock_homes_of_terminals(
    connection: Connection, terminal_ids: Iterable[TerminalId]
) -> dict[TerminalId, HomeId]:
    """The home each registered terminal hangs in; the homes are locked. A terminal nobody registered is absent."""
    rows = await connection.fetch(SQL["lock_homes_of_terminals"], sorted(set(terminal_ids)))
    return {row["terminal_id"]: row["home_id"] for row in rows}


async def look_at_terminals(connection: Connection, alarms: Sequence[Alarm]) -> list[tuple[TerminalId, HomeId, bool]]:
    """Of each alarm of a registered terminal that terminal, its home, and whether that home has an open call or the
    alarm's id was heard of before. Nothing is locked.
    """
    rows = await connection.fetch(
        SQL["look_at_terminals"], [each.terminal_id for each in alarms], [each.alarm_id for each in alarms]
    )
    return [(row["terminal_id"], row["home_id"], row["is_entangled"]) for row in rows]


async def add_homes(connection: Connection, homes: Sequence[tuple[HomeId, str, float | None, float | None]]) -> None:
    """Make up homes (id, address, lat, lon) nobody registered, and lock them."""
    columns = [list(column) for column in zip(*sorted(set(homes)), strict=True)]
    await connection.execute(SQL["add_homes"], *columns)
    await lock_homes(connection, [home[0] for home in homes])


async def lock_homes(connection: Connection, home_ids: Iterable[HomeId]) -> set[HomeId]:
    """Lock homes; returns those that exist."""
    rows = await connection.fetch(SQL["lock_homes"], sorted(set(home_ids)))
    return {row["home_id"] for row in rows}


class SeenAlarm(msgspec.Struct, frozen=True):
    """An alarm or cancel stored earlier."""

    terminal_id: TerminalId
    alarm_id: str
    digest: bytes
    incident_id: IncidentId | None
    cancel_of: str | None
    received_at: datetime


async def alarms_like(connection: Connection, alarms: Sequence[Alarm]) -> list[SeenAlarm]:
    """Stored alarms with the same id as one of these, or taken back by or taking back one of these; oldest first."""
    pairs = {(each.terminal_id, name) for each in alarms for name in (each.alarm_id, each.cancel_of) if name}
    terminals, ids = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    rows = await connection.fetch(SQL["alarms_like"], terminals, ids)
    return [SeenAlarm(**row) for row in rows]


async def lock_incidents(
    connection: Connection,
    shelf: PolicyShelf,
    subjects: Iterable[tuple[IncidentClass, Subject]],
    ids: Iterable[IncidentId],
) -> list[Incident]:
    """Lock and read the open incidents of these classes and subjects, and those of these ids, closed ones included."""
    wanted = sorted({(of.value, subject.kind.value, subject.id) for of, subject in subjects})
    columns = [[each[n] for each in wanted] for n in range(3)]
    rows = await connection.fetch(SQL["lock_incidents"], *columns, sorted(set(ids)))
    return await read_incidents(connection, shelf, [row["incident_id"] for row in rows]) if rows else []


async def read_incidents(connection: Connection, shelf: PolicyShelf, ids: Iterable[IncidentId]) -> list[Incident]:
    """Incidents by id as they are now."""
    return await _records(connection, shelf, await connection.fetch(SQL["read_incidents"], sorted(set(ids))))


async def lock_workers(connection: Connection, ids: Iterable[WorkerId]) -> tuple[set[WorkerId], dict[WorkerId, UUID]]:
    """Lock workers. Returns those on duty, and the incident that each busy one is asked for or holds."""
    wanted = sorted(set(ids))
    rows = await connection.fetch(SQL["lock_workers"], wanted)
    live = await connection.fetch(SQL["live_of_workers"], wanted)
    on_duty = {row["worker_id"] for row in rows if row["is_on_duty"]}
    return on_duty, {row["worker_id"]: row["incident_id"] for row in live}


async def _records(connection: Connection, shelf: PolicyShelf, rows: Sequence[Any]) -> list[Incident]:
    if not rows:
        return []
    policies = await shelf.fetch(connection, (row["policy_hash"] for row in rows))
    return [incident_of(row, policies[row["policy_hash"]]) for row in rows]


class _AssignmentRow(msgspec.Struct):
    """An assignment as PostgreSQL writes it in JSON."""

    assignment_id: UUID
    worker_id: WorkerId
    state: AssignmentState
    offered_at: datetime
    due_at: datetime | None
    eta_s: int
    offered_by: str
    skills: tuple[str, ...]
    overdue: int
    seen_at: datetime | None
    accepted_at: datetime | None
    departed_at: datetime | None
    arrived_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


_assignments = msgspec.json.Decoder(tuple[_AssignmentRow, ...])
_callers = msgspec.json.Decoder(tuple[Caller, ...])
_SAME_IN_ROW = [
    "is_exercise",
    "opened_at",
    "alarms",
    "hands",
    "nobody",
    "level",
    "step",
    "step_due_at",
    "answer_by",
    "answered_at",
    "answered_by",
    "verify_by",
    "grace_by",
    "close_by",
    "cancelled_at",
    "closed_at",
    "outcome",
    "receipt_n",
    "version",
]


def incident_of(row: Any, policy: Policy) -> Incident:
    """The record a row of `read_incidents` stands for."""
    reachable = {name for name in ("contacts", "station", "supervisor") if row[f"has_{name}"]}
    return Incident(
        id=row["incident_id"],
        incident_class=IncidentClass(row["incident_class"]),
        subject=Subject(SubjectKind(row["subject_kind"]), row["subject_id"]),
        origin=Origin(row["origin"]),
        kind=Key(row["kind"]),
        band=Band(row["band"]),
        policy=policy,
        callers=_callers.decode(row["callers"]),
        assignments=tuple(map(_assignment_of, _assignments.decode(row["assignments"] or b"[]"))),
        reachable=frozenset(reachable),
        **{name: row[name] for name in _SAME_IN_ROW},
    )


def _assignment_of(row: _AssignmentRow) -> Assignment:
    fields = msgspec.structs.asdict(row)
    return Assignment(id=AssignmentId(fields.pop("assignment_id")), **fields)


# --- what is due --------------------------------------------------------------------------------------


async def due(connection: Connection, now: datetime, limit: int) -> list[IncidentId]:
    """Incidents whose earliest clock has run out, the earliest first."""
    return [row["incident_id"] for row in await connection.fetch(SQL["due"], now, limit)]


async def next_due(connection: Connection) -> datetime | None:
    """When the earliest clock of all runs out; None without an open incident."""
    return await connection.fetchval(SQL["next_due"])  # type: ignore[no-any-return]
