"""Every request and answer of the HTTP and WebSocket API, typed; what a worker's phone says and hears stands in
`worker_messages`. OpenAPI is generated from these (`openapi`).

Instants travel as RFC 3339 in UTC; pages turn codes into sentences in the reader's language.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from dispatch.board.health_messages import CauseCard, HealthCard, HealthChange, ReadingCard
from dispatch.board.outage_messages import CanaryCard, Unstored
from dispatch.board.values import (
    Latitude,
    Longitude,
    LongText,
    Metres,
    Name,
    NoteText,
    Outcome,
    ShortText,
)
from dispatch.model import Access, Place

# --- what a board sees ------------------------------------------------------------------------------------------------


class NextStep(msgspec.Struct, frozen=True):
    """The earliest clock of an incident and what it brings if nobody acts.

    `code`: lapse, depart_overdue, arrive_overdue, check_overdue, verify, grace, climb, close. `facts` name what a
    sentence needs: of a worker's clock `worker_id`, `worker_name`, `asked` (how often already), `is_lost` (the worker
    will be given up); of climb `level`, `tells` (targets of the step), `why`; of close `closes` (False: a reminder).
    """

    at: datetime
    code: str
    facts: dict[str, Any]


class AssignmentCard(msgspec.Struct, frozen=True):
    """One worker's part in an incident."""

    offer_id: UUID
    worker_id: str
    worker_name: str
    worker_phone: str | None
    state: str
    eta_s: int
    offered_by: str
    offered_at: datetime
    due_at: datetime | None
    seen_at: datetime | None
    accepted_at: datetime | None
    departed_at: datetime | None
    arrived_at: datetime | None
    ended_at: datetime | None
    end_reason: str | None


class PersonCard(msgspec.Struct, frozen=True):
    """A resident, as far as the viewer may know. `age_years` is None if unknown."""

    elder_id: str
    name: str
    age_years: int | None
    phone: str | None = None
    risks: tuple[str, ...] = ()
    note: str | None = None


class IncidentCard(msgspec.Struct, frozen=True):
    """One row of the board."""

    incident_id: UUID
    number: int
    version: int
    incident_class: str
    kind: str
    band: int
    state: str
    level: int
    origin: str
    subject_kind: str
    subject_id: str
    is_exercise: bool
    is_known_home: bool
    people: tuple[PersonCard, ...]
    address: str
    place: Place | None
    opened_at: datetime
    answer_by: datetime | None
    answered_at: datetime | None
    answered_by: str | None
    cancelled_at: datetime | None
    closed_at: datetime | None
    outcome: str | None
    nobody: bool
    wants: int
    hands: int
    alarms: int
    needs_action: bool
    next: NextStep | None
    assignments: tuple[AssignmentCard, ...]


class WorkerCard(msgspec.Struct, frozen=True):
    """One worker on the board. `state`: off, free, offered, accepted, en_route, on_scene."""

    worker_id: str
    name: str
    station_id: str
    travel: str
    state: str
    phone: str | None
    skills: tuple[str, ...]
    place: Place | None
    place_at: datetime | None
    incident_id: UUID | None


class Centre(msgspec.Struct, frozen=True):
    """What the whole centre is like now. `troubles` are the kinds of what is wrong with it, stored or not."""

    centre_id: str
    time_zone: str
    leads: bool
    parked: int
    stations: int
    troubles: tuple[str, ...] = ()
    canary: CanaryCard | None = None


class BoardSnapshot(msgspec.Struct, frozen=True):
    """Everything a board shows: open incidents and those closed in the last 30 min; `seq` is the log entry it is of."""

    seq: int
    server_now: datetime
    incidents: tuple[IncidentCard, ...]
    workers: tuple[WorkerCard, ...]
    centre: Centre


class Delta(msgspec.Struct, frozen=True, tag="delta"):
    """What changed after log entry `follows`, up to `seq`. A viewer whose own number is not `follows` asks anew.

    Workers come and go without the log: such a frame has `seq` equal to `follows`. `centre` is there when it changed.
    """

    follows: int
    seq: int
    server_now: datetime
    incidents: tuple[IncidentCard, ...]
    workers: tuple[WorkerCard, ...]
    centre: Centre | None = None


class Snapshot(msgspec.Struct, frozen=True, tag="snapshot"):
    """A whole new picture: at the start when the viewer's number is too old, or when it could not keep up."""

    board: BoardSnapshot


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Every 5 s: the server's time and the last log entry; silence for 12 s means the link is dead."""

    seq: int
    server_now: datetime


BoardFrame = Delta | Snapshot | Heartbeat | Unstored


class LogLine(msgspec.Struct, frozen=True):
    """One line of an incident's timeline. `facts` may hold ids; `names` says what people call them."""

    seq: int
    at: datetime
    code: str
    by: str
    state: str
    level: int
    facts: dict[str, Any]
    names: dict[str, str]


class CandidateCard(msgspec.Struct, frozen=True):
    """One of the nearest dozen: minutes to the door and the codes of why or why not."""

    worker_id: str
    name: str
    state: str
    travel: str
    eta_s: int | None
    distance_m: int | None
    is_eligible: bool
    reasons: tuple[str, ...]


class Candidates(msgspec.Struct, frozen=True):
    """The ranking as of now, best first; `counts` are all the others by reason code."""

    ranked_at: datetime
    candidates: tuple[CandidateCard, ...]
    counts: dict[str, int]


class ContactCard(msgspec.Struct, frozen=True):
    """Somebody to call, in order."""

    rank: int
    name: str
    relation: str
    phone: str
    has_key: bool


class NoteCard(msgspec.Struct, frozen=True):
    """Something a person wrote."""

    note_id: UUID
    at: datetime
    by: str
    content: str


class IncidentDetail(msgspec.Struct, frozen=True):
    """Everything about one incident. `policy_clocks` are the seconds its policy gives each stage.

    `health` is of each resident; `readings` of the day before the call and since, of all the home's terminals, newest
    first and thinned out where there are many; `causes` are those that rang.
    """

    card: IncidentCard
    access: Access
    contacts: tuple[ContactCard, ...]
    timeline: tuple[LogLine, ...]
    notes: tuple[NoteCard, ...]
    candidates: Candidates | None
    readings: tuple[ReadingCard, ...]
    causes: tuple[CauseCard, ...]
    health: tuple[HealthCard, ...]
    policy_clocks: dict[str, int]


class ElderDetail(msgspec.Struct, frozen=True):
    """One elder: what is set for their readings, the last day's, and every change by hand, newest first."""

    person: PersonCard
    home_id: str | None
    address: str
    health: HealthCard
    readings: tuple[ReadingCard, ...]
    history: tuple[HealthChange, ...]


class Found(msgspec.Struct, frozen=True):
    """One home that a search found, and by what (`elder`, `terminal`, `phone`, `address`, `contact`)."""

    home_id: str
    by: str
    address: str
    place: Place | None
    people: tuple[PersonCard, ...]
    terminal_ids: tuple[str, ...]
    open_incident_id: UUID | None


# --- what an operator does --------------------------------------------------------------------------------------------


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An account's name and password."""

    name: ShortText
    password: ShortText


class Who(msgspec.Struct, frozen=True):
    """Who is signed in: an account, or a worker. `language` is zh or en."""

    name: str
    role: str
    language: str
    worker_id: str | None = None


class ChooseLanguage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The language in which this person reads."""

    language: Literal["zh", "en"]


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request that says no more than its address does: `{}`."""


class AssignWorker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Offer the call to this worker, whoever else is asked."""

    worker_id: Name


class ReleaseWorker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Take the call off a worker."""

    offer_id: UUID


class WriteNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something the next one should know."""

    content: LongText


class CloseIncident(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the call ended, and anything to add."""

    outcome: Outcome
    note: NoteText = ""


class RaiseKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Treat the call as this graver kind from now on."""

    kind: Literal["sos", "fall", "fire", "family"]


class PlaceGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A point on the earth in WGS-84 degrees."""

    lat: Latitude
    lon: Longitude
    accuracy_m: Metres | None = None


class OpenByHand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call opened by an operator: for a known home, or an address (with a place if known)."""

    kind: Literal["sos", "fall", "fire", "family", "service", "consult"]
    home_id: Name | None = None
    address: ShortText | None = None
    place: PlaceGiven | None = None
    note: NoteText = ""


class Acted(msgspec.Struct, frozen=True):
    """An action was carried out; the incident as it is now."""

    card: IncidentCard


class Refusal(msgspec.Struct, frozen=True):
    """Why something was not done: a code and its facts (HTTP 400, 401, 403, 404, 409, 413, 422, 429, 503)."""

    code: str
    facts: dict[str, Any]
