"""What is kept beside an incident and never changed: alarms, log lines, rankings, notes, and what was parked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatch.model import Alarm, Cause, IncidentId, Unreadable
from dispatch.store.database import Connection, statements
from dispatch.store.writes import Writes

SQL = statements("record")


class AlarmRow(msgspec.Struct, frozen=True):
    """An alarm as it is stored: under our own id, with its incident, and whether its terminal is registered."""

    row_id: UUID
    alarm: Alarm
    incident_id: IncidentId | None
    is_known: bool


class _AlarmAsWritten(msgspec.Struct):
    row_id: UUID
    terminal_id: str
    alarm_id: str
    digest: bytes
    kind: str
    origin: str
    happened_at: datetime | None
    received_at: datetime
    incident_id: UUID | None
    cancel_of: str | None
    is_test: bool
    is_known: bool
    battery: float | None
    flaws: tuple[str, ...]
    causes: tuple[Cause, ...] | None


def insert_alarms(writes: Writes, rows: Sequence[AlarmRow]) -> None:
    """Write what terminals said."""
    writes.add_rows(SQL["insert_alarms"], [_as_written(row) for row in rows])


def _as_written(row: AlarmRow) -> _AlarmAsWritten:
    alarm = row.alarm
    return _AlarmAsWritten(
        row_id=row.row_id,
        terminal_id=alarm.terminal_id,
        alarm_id=alarm.alarm_id,
        digest=alarm.digest,
        kind=alarm.key.value,
        origin=alarm.origin.value,
        happened_at=alarm.happened_at,
        received_at=alarm.received_at,
        incident_id=row.incident_id,
        cancel_of=alarm.cancel_of,
        is_test=alarm.is_test,
        is_known=row.is_known,
        battery=alarm.battery_percent,
        flaws=alarm.flaws,
        causes=alarm.causes or None,
    )


class LogRow(msgspec.Struct, frozen=True):
    """One line of the log: what happened to an incident, and how the incident stood then."""

    incident_id: IncidentId
    at: datetime
    code: str
    by: str
    state: str
    band: int
    level: int
    facts: dict[str, Any]


def append_log(writes: Writes, rows: Sequence[LogRow]) -> None:
    """Append lines."""
    writes.add_log(SQL["append_log"], rows)


class RankingRow(msgspec.Struct, frozen=True):
    """Why these workers: the candidates as the router saw them, already plain data."""

    ranked_at: datetime
    candidates: list[dict[str, Any]]
    counts: dict[str, int]


class NoteRow(msgspec.Struct, frozen=True):
    """What a person wrote about an incident."""

    note_id: UUID
    at: datetime
    by: str
    content: str


class _OfIncident(msgspec.Struct):
    incident_id: IncidentId


class _RankingAsWritten(_OfIncident):
    ranked_at: datetime
    candidates: list[dict[str, Any]]
    counts: dict[str, int]


class _NoteAsWritten(_OfIncident):
    note_id: UUID
    at: datetime
    by: str
    content: str


def insert_rankings(writes: Writes, rows: Sequence[tuple[IncidentId, RankingRow]]) -> None:
    """Keep the rankings that offers came from."""
    writes.add_rows(
        SQL["insert_rankings"],
        [_RankingAsWritten(incident_id, row.ranked_at, row.candidates, row.counts) for incident_id, row in rows],
    )


def insert_notes(writes: Writes, rows: Sequence[tuple[IncidentId, NoteRow]]) -> None:
    """Keep what people wrote, beside the log."""
    writes.add_rows(
        SQL["insert_notes"],
        [_NoteAsWritten(incident_id, row.note_id, row.at, row.by, row.content) for incident_id, row in rows],
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
