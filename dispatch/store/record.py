"""What is kept beside an incident and never changed: alarms, log lines, rankings, notes, and what was parked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import orjson

from dispatch.incident.states import Incident
from dispatch.model import Alarm, IncidentId, Unreadable
from dispatch.store.database import Connection, statements

SQL = statements("record")


class AlarmRow(msgspec.Struct, frozen=True):
    """An alarm as it is stored: under our own id, with its incident, and whether its terminal is registered."""

    row_id: UUID
    alarm: Alarm
    incident_id: IncidentId | None
    is_known: bool


async def insert_alarms(connection: Connection, rows: Sequence[AlarmRow]) -> None:
    """Write what terminals said."""
    alarms = [row.alarm for row in rows]
    await connection.execute(
        SQL["insert_alarms"],
        [row.row_id for row in rows],
        [each.terminal_id for each in alarms],
        [each.alarm_id for each in alarms],
        [each.digest for each in alarms],
        [each.key.value for each in alarms],
        [each.origin.value for each in alarms],
        [each.happened_at for each in alarms],
        [each.received_at for each in alarms],
        [row.incident_id for row in rows],
        [each.cancel_of for each in alarms],
        [each.is_test for each in alarms],
        [row.is_known for row in rows],
        [each.battery_percent for each in alarms],
        [",".join(each.flaws) for each in alarms],
        [msgspec.json.encode(each.causes).decode() if each.causes else None for each in alarms],
    )


class LogRow(msgspec.Struct, frozen=True):
    """One line of the log."""

    incident: Incident
    at: datetime
    code: str
    by: str
    facts: dict[str, Any]


async def append_log(connection: Connection, rows: Sequence[LogRow]) -> None:
    """Append lines; must be the last statement before the commit."""
    await connection.execute(
        SQL["append_log"],
        [row.incident.id for row in rows],
        [row.at for row in rows],
        [row.code for row in rows],
        [row.by for row in rows],
        [row.incident.state.value for row in rows],
        [row.incident.band for row in rows],
        [row.incident.level for row in rows],
        [orjson.dumps(row.facts, default=str).decode() for row in rows],
    )


class RankingRow(msgspec.Struct, frozen=True):
    """Why these workers: the candidates as the router saw them, already plain data."""

    ranked_at: datetime
    candidates: list[dict[str, Any]]
    counts: dict[str, int]


async def insert_rankings(connection: Connection, rows: Sequence[tuple[IncidentId, RankingRow]]) -> None:
    """Keep the rankings that offers came from."""
    await connection.execute(
        SQL["insert_rankings"],
        [incident_id for incident_id, _ in rows],
        [row.ranked_at for _, row in rows],
        [msgspec.json.encode(row.candidates).decode() for _, row in rows],
        [msgspec.json.encode(row.counts).decode() for _, row in rows],
    )


class NoteRow(msgspec.Struct, frozen=True):
    """What a person wrote about an incident."""

    note_id: UUID
    at: datetime
    by: str
    content: str


async def insert_notes(connection: Connection, rows: Sequence[tuple[IncidentId, NoteRow]]) -> None:
    """Keep what people wrote, beside the log."""
    await connection.execute(
        SQL["insert_notes"],
        [row.note_id for _, row in rows],
        [incident_id for incident_id, _ in rows],
        [row.at for _, row in rows],
        [row.by for _, row in rows],
        [row.content for _, row in rows],
    )


async def add_parked(connection: Connection, rows: Sequence[tuple[UUID, Unreadable]]) -> None:
    """Keep messages that could not be used, with the reason."""
    messages = [message for _, message in rows]
    await connection.execute(
        SQL["add_parked"],
        [parked_id for parked_id, _ in rows],
        [each.topic for each in messages],
        [each.payload for each in messages],
        [each.reason for each in messages],
        [each.detail for each in messages],
        [each.received_at for each in messages],
    )
