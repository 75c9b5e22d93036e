"""Incidents and assignments as they are written: one row each, under the names of their columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatch.incident.clocks import due_at
from dispatch.incident.draft import wants
from dispatch.incident.states import LIVE, Assignment, AssignmentState, Caller, Incident
from dispatch.model import IncidentId
from dispatch.store.database import statements
from dispatch.store.writes import Writes

SQL = statements("incidents")


class _Changing(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a decision may change."""

    incident_id: UUID
    version: int
    kind: str
    band: int
    policy_hash: str
    state: str
    level: int
    wants: int
    nobody: bool
    hands: int
    step: int
    alarms: int
    receipt_n: int
    callers: tuple[Caller, ...]
    due_at: datetime | None = None
    step_due_at: datetime | None = None
    answer_by: datetime | None = None
    answered_at: datetime | None = None
    answered_by: str | None = None
    verify_by: datetime | None = None
    grace_by: datetime | None = None
    close_by: datetime | None = None
    cancelled_at: datetime | None = None
    closed_at: datetime | None = None
    outcome: str | None = None


class _IncidentRow(_Changing, kw_only=True, omit_defaults=True):
    incident_class: str
    subject_kind: str
    subject_id: str
    origin: str
    is_exercise: bool
    opened_at: datetime


class _AssignmentRow(msgspec.Struct):
    assignment_id: UUID
    incident_id: UUID
    worker_id: str
    state: AssignmentState
    eta_s: int
    offered_by: str
    skills: tuple[str, ...]
    overdue: int
    offered_at: datetime
    due_at: datetime | None
    seen_at: datetime | None
    accepted_at: datetime | None
    departed_at: datetime | None
    arrived_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


def insert_incidents(writes: Writes, incidents: Sequence[Incident]) -> None:
    """Write new incidents, in one order: two processes that open calls of the same homes wait in no circle."""
    rows = [_row_of(each) for each in incidents]
    rows.sort(key=lambda row: (row.incident_class, row.subject_kind, row.subject_id))
    writes.add_rows(SQL["insert_incidents"], rows)


def update_incidents(writes: Writes, incidents: Sequence[Incident]) -> None:
    """Write incidents as decisions left them; those count that were still at the version the decisions began from.

    In order of their ids, in which everybody locks them: clocks come here without having locked anything.
    """
    rows = [_Changing(**_changing(each)) for each in sorted(incidents, key=lambda each: each.id)]
    writes.add_checked(SQL["update_incidents"], rows)


def save_assignments(writes: Writes, changed: Sequence[tuple[IncidentId, Assignment]]) -> None:
    """Write assignments, ended ones first, so that a worker freed and asked anew in one batch breaks no constraint."""
    rows = sorted(changed, key=lambda each: (each[1].state in LIVE, each[1].id))
    writes.add_rows(SQL["save_assignments"], [_assignment_row(*each) for each in rows])


def _row_of(incident: Incident) -> _IncidentRow:
    return _IncidentRow(
        **_changing(incident),
        incident_class=incident.incident_class,
        subject_kind=incident.subject.kind,
        subject_id=incident.subject.id,
        origin=incident.origin,
        is_exercise=incident.is_exercise,
        opened_at=incident.opened_at,
    )


def _changing(incident: Incident) -> dict[str, Any]:
    return {
        "incident_id": incident.id,
        "version": incident.version,
        "kind": incident.kind,
        "band": incident.band,
        "policy_hash": incident.policy.hash,
        "state": incident.state,
        "level": incident.level,
        "wants": wants(incident),
        "nobody": incident.nobody,
        "hands": incident.hands,
        "step": incident.step,
        "alarms": incident.alarms,
        "receipt_n": incident.receipt_n,
        "callers": incident.callers,
        "due_at": due_at(incident),
        "step_due_at": incident.step_due_at,
        "answer_by": incident.answer_by,
        "answered_at": incident.answered_at,
        "answered_by": incident.answered_by,
        "verify_by": incident.verify_by,
        "grace_by": incident.grace_by,
        "close_by": incident.close_by,
        "cancelled_at": incident.cancelled_at,
        "closed_at": incident.closed_at,
        "outcome": incident.outcome,
    }


def _assignment_row(incident_id: IncidentId, assignment: Assignment) -> _AssignmentRow:
    fields = msgspec.structs.asdict(assignment)
    return _AssignmentRow(assignment_id=fields.pop("id"), incident_id=incident_id, **fields)
