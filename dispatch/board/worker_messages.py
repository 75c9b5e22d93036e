"""What a worker's phone says and hears, typed; see `messages` for the rest of the API."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from dispatch.board.messages import ContactCard, Heartbeat, PersonCard, WorkerCard
from dispatch.board.values import DeclineReason, Instant, Latitude, Longitude, Metres, NoteText, Outcome
from dispatch.model import Access, Place


class Question(msgspec.Struct, frozen=True):
    """Something the centre asks a worker: have_you_departed, are_you_there, are_you_safe, graver, cancelled."""

    code: str
    at: datetime
    answer_by: datetime | None = None


class WorkerCall(msgspec.Struct, frozen=True):
    """The offer or assignment a worker holds. Door codes and numbers are there only once it is accepted."""

    offer_id: UUID
    incident_id: UUID
    number: int
    state: str
    kind: str
    band: int
    due_at: datetime | None
    offered_at: datetime
    eta_s: int
    people: tuple[PersonCard, ...]
    address: str
    place: Place | None
    is_known_home: bool
    access: Access | None
    contacts: tuple[ContactCard, ...]
    cancelled_at: datetime | None
    question: Question | None


class WorkerView(msgspec.Struct, frozen=True, tag="view"):
    """All that a worker's page shows; sent whole at each change. `ended` says why the last call went away, if it did;
    `ended_offer_id` is that call's, since a late yes or an arrival after all still counts. `time_zone` is the centre's,
    in which the page shows times, whatever the phone's own.
    """

    server_now: datetime
    time_zone: str
    worker: WorkerCard
    is_on_duty: bool
    call: WorkerCall | None
    ended: str | None = None
    ended_offer_id: UUID | None = None


WorkerFrame = WorkerView | Heartbeat


class SetDuty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """On duty, or off."""

    is_on_duty: bool


class ReportPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A worker's position. `datum` is the coordinate system the phone speaks; browsers speak wgs84."""

    lat: Latitude
    lon: Longitude
    accuracy_m: Metres | None = None
    at: Instant | None = None
    datum: Literal["wgs84", "gcj02", "bd09"] = "wgs84"


class Decline(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why not, or why the call is given back."""

    reason: DeclineReason


class Finish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it ended at the door, and anything to add."""

    outcome: Outcome
    note: NoteText = ""
