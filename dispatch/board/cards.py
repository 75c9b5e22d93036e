"""What a board may see of an incident, and what happens to it next if nobody acts. Pure.

What comes next is not guessed at a second place: the rules themselves are asked what they would do when the earliest
clock runs out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from dispatch.board.messages import (
    AssignmentCard,
    CandidateCard,
    ContactCard,
    IncidentCard,
    NextStep,
    PersonCard,
    WorkerCard,
)
from dispatch.board.ranked import Ranked
from dispatch.incident import events as ev
from dispatch.incident.clocks import due_at, due_event
from dispatch.incident.decide import decide
from dispatch.incident.draft import attending, wants
from dispatch.incident.effects import Record
from dispatch.incident.policy import OfferWhen
from dispatch.incident.states import Assignment, AssignmentState, Incident, SubjectKind
from dispatch.model import Access, Contact, Elder, Home, IncidentId, Place, Worker


class Background(msgspec.Struct, frozen=True):
    """What stands around some incidents: their numbers, and by id the homes, residents and workers they name."""

    numbers: dict[IncidentId, int]
    homes: dict[Any, Home]
    residents: dict[Any, tuple[Elder, ...]]
    workers: dict[Any, Worker]

    def name_of(self, worker_id: str) -> str:
        """What people call a worker; the id if the register does not know."""
        worker = self.workers.get(worker_id)
        return worker.name if worker else worker_id


# --- an incident ------------------------------------------------------------------------------------------------------


def incident_card(incident: Incident, background: Background, now: datetime) -> IncidentCard:
    """One row of the board."""
    home = background.homes.get(incident.subject.id) if incident.subject.kind is SubjectKind.HOME else None
    return IncidentCard(
        incident_id=incident.id,
        number=background.numbers.get(incident.id, 0),
        version=incident.version,
        incident_class=incident.incident_class.value,
        kind=incident.kind.value,
        band=int(incident.band),
        state=incident.state.value,
        level=incident.level,
        origin=incident.origin.value,
        subject_kind=incident.subject.kind.value,
        subject_id=incident.subject.id,
        is_exercise=incident.is_exercise,
        is_known_home=home.is_known if home else False,
        people=_people(incident, background, now),
        address=home.address if home else "",
        place=home.place if home else _place_of_subject(incident, background),
        opened_at=incident.opened_at,
        answer_by=incident.answer_by,
        answered_at=incident.answered_at,
        answered_by=incident.answered_by,
        cancelled_at=incident.cancelled_at,
        closed_at=incident.closed_at,
        outcome=incident.outcome,
        nobody=incident.nobody,
        wants=wants(incident),
        hands=incident.hands,
        alarms=incident.alarms,
        needs_action=needs_action(incident),
        next=next_step(incident, background),
        assignments=tuple(_assignment_card(each, background) for each in incident.assignments),
    )


def _people(incident: Incident, background: Background, now: datetime) -> tuple[PersonCard, ...]:
    """The residents of a home; the worker, if the call is about one."""
    if incident.subject.kind is SubjectKind.HOME:
        return tuple(person_card(each, now) for each in background.residents.get(incident.subject.id, ()))
    worker = background.workers.get(incident.subject.id) if incident.subject.kind is SubjectKind.WORKER else None
    return (PersonCard(worker.id, worker.name, None, worker.phone),) if worker else ()


def person_card(elder: Elder, now: datetime) -> PersonCard:
    """Everything about a resident that somebody who helps may know."""
    age_years = now.year - elder.birth_year if elder.birth_year else None
    return PersonCard(elder.id, elder.name, age_years, elder.phone, elder.risks, elder.note)


def _place_of_subject(incident: Incident, background: Background) -> Place | None:
    worker = background.workers.get(incident.subject.id) if incident.subject.kind is SubjectKind.WORKER else None
    return worker.place if worker else None


def _assignment_card(assignment: Assignment, background: Background) -> AssignmentCard:
    worker = background.workers.get(assignment.worker_id)
    return AssignmentCard(
        offer_id=assignment.id,
        worker_id=assignment.worker_id,
        worker_name=background.name_of(assignment.worker_id),
        worker_phone=worker.phone if worker else None,
        state=assignment.state.value,
        eta_s=assignment.eta_s,
        offered_by=assignment.offered_by,
        offered_at=assignment.offered_at,
        due_at=assignment.due_at,
        seen_at=assignment.seen_at,
        accepted_at=assignment.accepted_at,
        departed_at=assignment.departed_at,
        arrived_at=assignment.arrived_at,
        ended_at=assignment.ended_at,
        end_reason=assignment.end_reason,
    )


def needs_action(incident: Incident) -> bool:
    """Whether a person at the centre should do something now.

    Nobody has answered; a worker is wanted and none has said yes; a worker is overdue; a cancel waits for somebody to
    confirm it; or the work is done and the call is not closed.
    """
    if incident.closed_at is not None:
        return False
    lacks_worker = (
        incident.policy.offer is not OfferWhen.NEVER and incident.verify_by is None and attending(incident) == 0
    )
    is_overdue = any(each.overdue for each in incident.live())
    is_done = not incident.live() and incident.close_by is not None
    return incident.answered_at is None or lacks_worker or is_overdue or is_done or incident.cancelled_at is not None


# --- what comes next --------------------------------------------------------------------------------------------------

NEXT_CODES: dict[type[ev.Event], str] = {
    ev.OfferLapsed: "lapse",
    ev.DepartOverdue: "depart_overdue",
    ev.ArriveOverdue: "arrive_overdue",
    ev.CheckOverdue: "check_overdue",
    ev.VerifyDue: "verify",
    ev.GraceDue: "grace",
    ev.StepDue: "climb",
    ev.CloseDue: "close",
}


def next_step(incident: Incident, background: Background) -> NextStep | None:
    """The earliest clock, and what the rules will do when it runs out; None once closed.

    `facts`: of a worker's clock `worker_id`, `worker_name`, `asked` (how often it has run out already); of a ladder
    step `level`, `tells`, `why`; of a close `closes` (False: somebody is reminded).
    """
    at, event = due_at(incident), due_event(incident)
    if at is None or event is None:
        return None
    after, effects = decide(incident, event, at)
    facts: dict[str, Any] = {}
    if isinstance(event, ev.AssignmentEvent):
        assignment = incident.assignment(event.assignment_id)
        assert assignment is not None
        facts["worker_id"] = assignment.worker_id
        facts["worker_name"] = background.name_of(assignment.worker_id)
        facts["asked"] = assignment.overdue
        facts["is_lost"] = any(each.code == "worker_lost" for each in effects if isinstance(each, Record))
    elif isinstance(event, ev.StepDue):
        climbed = [each.facts for each in effects if isinstance(each, Record) and each.code == "climbed"]
        facts |= {"level": climbed[-1]["level"], "tells": climbed[-1]["told"], "why": climbed[-1]["why"]}
    elif isinstance(event, ev.CloseDue):
        facts["closes"] = after.closed_at is not None
    return NextStep(at, NEXT_CODES[type(event)], facts)


# --- workers, contacts ------------------------------------------------------------------------------------------------


def worker_card(worker: Worker, state: AssignmentState | None, incident_id: IncidentId | None) -> WorkerCard:
    """One worker on the board; `state` and incident of what they are asked for or hold, if anything."""
    idle = "free" if worker.is_on_duty else "off"
    return WorkerCard(
        worker_id=worker.id,
        name=worker.name,
        station_id=worker.station_id,
        travel=worker.travel.value,
        state=state.value if state else idle,
        phone=worker.phone,
        skills=tuple(sorted(worker.skills)),
        place=worker.place,
        place_at=worker.place_at,
        incident_id=incident_id,
    )


def contact_card(contact: Contact) -> ContactCard:
    """Somebody to call."""
    return ContactCard(contact.rank, contact.name, contact.relation, contact.phone, contact.has_key)


def candidate_card(ranked: Ranked, worker: WorkerCard | None) -> CandidateCard:
    """One worker as a candidate; `worker` is None if the register does not know them any more."""
    return CandidateCard(
        worker_id=ranked.worker_id,
        name=worker.name if worker else ranked.worker_id,
        state=worker.state if worker else "off",
        travel=worker.travel if worker else "walk",
        eta_s=ranked.eta_s,
        distance_m=ranked.distance_m,
        is_eligible=ranked.is_eligible,
        reasons=tuple(ranked.reasons),
    )


# --- what an auditor may see ------------------------------------------------------------------------------------------


def mask_name(name: str) -> str:
    """A name of which only the first sign is left."""
    return name[:1] + "*" * max(len(name) - 1, 0)


def mask_address(address: str) -> str:
    """An address without its numbers: the street, not the door."""
    return re.sub(r"[\d〇零一二三四五六七八九十百]+", "*", address)


def mask_place(place: Place | None) -> Place | None:
    """A place to about a kilometre."""
    return Place(round(place.lat, 2), round(place.lon, 2), 1000.0) if place else None


def mask_incident(card: IncidentCard) -> IncidentCard:
    """The same incident for somebody who judges the work and need not know the people."""
    return replace(
        card,
        people=mask_people(card.people),
        address=mask_address(card.address),
        place=mask_place(card.place),
        assignments=tuple(replace(each, worker_phone=None) for each in card.assignments),
    )


def mask_people(people: Iterable[PersonCard]) -> tuple[PersonCard, ...]:
    """Ids, first signs of names and ages only."""
    return tuple(PersonCard(each.elder_id, mask_name(each.name), each.age_years) for each in people)


def mask_worker(card: WorkerCard) -> WorkerCard:
    """A worker's state and skills, without number and position."""
    return replace(card, phone=None, place=None)


def mask_contacts(contacts: Iterable[ContactCard]) -> tuple[ContactCard, ...]:
    """That there is somebody, and who keeps a key."""
    return tuple(replace(each, name=mask_name(each.name), phone="") for each in contacts)


def mask_access(access: Access) -> Access:
    """Floor and lift, which explain minutes; no codes."""
    return Access(floor=access.floor, has_lift=access.has_lift)
