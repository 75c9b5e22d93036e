"""What may be handed to the engine, and what comes back after the commit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from dispatch.incident import events as ev
from dispatch.incident.effects import Effect
from dispatch.incident.states import Incident, Subject
from dispatch.model import Alarm, HomeId, IncidentId, Key, Place
from dispatch.store.outbox import OutboxMessage
from dispatch.store.record import NoteRow, RankingRow


class RaiseAlarm(msgspec.Struct, frozen=True):
    """An alarm from a terminal: opens an incident, joins one, repeats or takes back an earlier alarm.

    `term` is the lease under which it was heard, None if under none.
    """

    alarm: Alarm
    term: int | None = None


class Happen(msgspec.Struct, frozen=True):
    """Something happened to a known incident. `ranking` and `note` are kept beside it in the same commit."""

    incident_id: IncidentId
    event: ev.Event
    ranking: RankingRow | None = None
    note: NoteRow | None = None


class FireDue(msgspec.Struct, frozen=True):
    """Every clock of this incident that has run out by now fires."""

    incident_id: IncidentId


class OpenByHand(msgspec.Struct, frozen=True):
    """An operator opens a call for a registered home, or for an address nobody registered."""

    incident_id: IncidentId
    by: str
    kind: Key
    home_id: HomeId | None = None
    address: str = ""
    place: Place | None = None


class RaiseByService(msgspec.Struct, frozen=True):
    """The service itself says that something is wrong: opens an incident about `subject`, unless one is open."""

    kind: Key
    subject: Subject
    facts: dict[str, Any] = {}


Item = RaiseAlarm | Happen | FireDue | OpenByHand | RaiseByService


class Outcome(msgspec.Struct, frozen=True):
    """What became of one item. `incident` is None only for a cancel that waits for its alarm.

    `ignored` is the reason code if nothing moved; `is_repeat` marks the very same alarm again.
    """

    incident: Incident | None
    ignored: str | None = None
    is_repeat: bool = False


class Part(msgspec.Struct, frozen=True):
    """One incident before and after a commit (`before` None: opened by it), with what was decided, in order."""

    before: Incident | None
    after: Incident
    effects: tuple[Effect, ...]


class Committed(msgspec.Struct, frozen=True):
    """What one commit made durable; handed to whoever listens, of one incident in commit order. `seconds` is how long
    it took.
    """

    at: datetime
    parts: Sequence[Part]
    messages: Sequence[OutboxMessage]
    items: int
    seconds: float
