"""Writing what a batch decided: incidents, assignments, alarms, what is kept beside them, messages; the log last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from dispatch.clock import Clock
from dispatch.engine import outgoing
from dispatch.engine.items import Happen, Item
from dispatch.incident.effects import Effect
from dispatch.incident.states import Assignment, Incident
from dispatch.model import IncidentId
from dispatch.store import incident_rows, outbox, record
from dispatch.store.writes import Writes

Effects = Sequence[tuple[Incident | None, Effect]]


def save_incidents(
    writes: Writes, loaded: dict[IncidentId, Incident], incidents: dict[IncidentId, Incident]
) -> tuple[dict[IncidentId, Incident], int]:
    """Write the incidents that changed, with their assignments; returns them under their new versions, and how many
    of them were there before.
    """
    changed = [each for key, each in incidents.items() if each != loaded.get(key)]
    versioned = {each.id: replace(each, version=each.version + 1) for each in changed}
    new = [each for key, each in versioned.items() if key not in loaded]
    old = [each for key, each in versioned.items() if key in loaded]
    if new:
        incident_rows.insert_incidents(writes, new)
    if old:
        incident_rows.update_incidents(writes, old)
    assignments = [
        (incident.id, assignment)
        for incident in versioned.values()
        for assignment in _changed_assignments(loaded.get(incident.id), incident)
    ]
    if assignments:
        incident_rows.save_assignments(writes, assignments)
    return versioned, len(old)


def _changed_assignments(before: Incident | None, after: Incident) -> list[Assignment]:
    known = {each.id: each for each in before.assignments} if before else {}
    return [each for each in after.assignments if known.get(each.id) != each]


def save_beside(writes: Writes, items: Sequence[Item], known: set[IncidentId]) -> None:
    """Write the rankings and notes that came with events of these incidents."""
    happened = [item for item in items if isinstance(item, Happen) and item.incident_id in known]
    rankings = [(item.incident_id, item.ranking) for item in happened if item.ranking]
    notes = [(item.incident_id, item.note) for item in happened if item.note]
    if rankings:
        record.insert_rankings(writes, rankings)
    if notes:
        record.insert_notes(writes, notes)


def save_messages(writes: Writes, effects: Effects, now: datetime, clock: Clock) -> list[outbox.OutboxMessage]:
    """Write what is to be sent, and take back offers that ended before they were; returns the messages."""
    made = (outgoing.message(incident, effect, now, clock) for incident, effect in effects)
    messages = [message for message in made if message is not None]
    if offers := outgoing.withdrawn_offers(effects):
        outbox.void_offers(writes, offers, "withdrawn", now)
    if messages:
        outbox.add(writes, messages)
    return messages


def append_log(writes: Writes, effects: Effects, now: datetime) -> None:
    """Write the log; nothing may be written after it in this transaction."""
    made = (outgoing.log_row(incident, effect, now) for incident, effect in effects if incident is not None)
    rows = [row for row in made if row is not None]
    if rows:
        record.append_log(writes, rows)
