"""What a worker's phone may see: the one call it holds, and of that no more than is needed now. Pure.

While a worker is only asked, the phone gets the address, the floor and who it is about. Door codes, numbers and health
facts come once the call is accepted, and go when it ends.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
from msgspec.structs import replace

from dispatch.board.cards import Background, contact_card, incident_card, worker_card
from dispatch.board.messages import PersonCard
from dispatch.board.worker_messages import Question, WorkerCall, WorkerView
from dispatch.incident.states import COMING, LIVE, Assignment, AssignmentState, Incident
from dispatch.model import Access, Contact, Worker

ENDED_SHOWN_FOR = timedelta(minutes=10)
"""How long a phone says why its last call went away."""

ENDED_BY_OTHERS = frozenset({AssignmentState.LAPSED, AssignmentState.WITHDRAWN, AssignmentState.LOST})


class Part(msgspec.Struct, frozen=True):
    """A worker's live part in an incident, or else the last one that ended; `graver_at` is when it last got graver."""

    incident: Incident
    assignment: Assignment
    background: Background
    contacts: tuple[Contact, ...] = ()
    graver_at: datetime | None = None


def worker_view(worker: Worker, part: Part | None, now: datetime, time_zone: str) -> WorkerView:
    """Everything a worker's page shows; `time_zone` is the centre's, by its IANA name."""
    live = part if part and part.assignment.state in LIVE else None
    ended = part.assignment if part and not live else None
    says_why = ended is not None and ended.state in ENDED_BY_OTHERS and _is_fresh(ended, now)
    return WorkerView(
        server_now=now,
        time_zone=time_zone,
        worker=worker_card(worker, live.assignment.state if live else None, live.incident.id if live else None),
        is_on_duty=worker.is_on_duty,
        call=_call(live, now) if live else None,
        ended=ended.end_reason if ended and says_why else None,
        ended_offer_id=ended.id if ended and says_why else None,
    )


def _is_fresh(ended: Assignment, now: datetime) -> bool:
    return ended.ended_at is not None and now - ended.ended_at < ENDED_SHOWN_FOR


def _call(part: Part, now: datetime) -> WorkerCall:
    incident, assignment, background = part.incident, part.assignment, part.background
    card = incident_card(incident, background, now)
    home = background.homes.get(incident.subject.id)
    access = home.access if home else Access()
    is_accepted = assignment.state in COMING
    return WorkerCall(
        offer_id=assignment.id,
        incident_id=incident.id,
        number=card.number,
        state=assignment.state.value,
        kind=card.kind,
        band=card.band,
        due_at=assignment.due_at,
        offered_at=assignment.offered_at,
        eta_s=assignment.eta_s,
        people=card.people if is_accepted else tuple(_asked_about(each) for each in card.people),
        address=card.address,
        place=card.place,
        is_known_home=card.is_known_home,
        access=access if is_accepted else Access(floor=access.floor, has_lift=access.has_lift),
        contacts=tuple(contact_card(each) for each in part.contacts) if is_accepted else (),
        cancelled_at=incident.cancelled_at,
        question=question(incident, assignment, part.graver_at),
    )


def _asked_about(person: PersonCard) -> PersonCard:
    return replace(person, phone=None, risks=(), note=None)


ASKED_WHEN_OVERDUE = {
    AssignmentState.ACCEPTED: "have_you_departed",
    AssignmentState.EN_ROUTE: "are_you_there",
    AssignmentState.ON_SCENE: "are_you_safe",
}


def question(incident: Incident, assignment: Assignment, graver_at: datetime | None) -> Question | None:
    """What the centre wants to hear from this worker now; the oldest worry first: safety, cancel, graver, lateness."""
    code = ASKED_WHEN_OVERDUE.get(assignment.state) if assignment.overdue else None
    if code == "are_you_safe":
        return _overdue(incident, assignment, code)
    if incident.cancelled_at is not None:
        return Question("cancelled", incident.cancelled_at)
    if graver_at is not None and graver_at >= _last_tap(assignment):
        return Question("graver", graver_at)
    return _overdue(incident, assignment, code) if code else None


def _overdue(incident: Incident, assignment: Assignment, code: str) -> Question:
    """An overdue clock was started again when it was asked, so the asking is one clock before its end."""
    assert assignment.due_at is not None
    policy = incident.policy
    if code == "have_you_departed":
        clock_s = policy.accept_within_s
    elif code == "are_you_safe" and assignment.overdue == 1:
        clock_s = policy.check_answer_within_s
    else:
        clock_s = policy.remind_every_s
    return Question(code, assignment.due_at - timedelta(seconds=clock_s), assignment.due_at)


def _last_tap(assignment: Assignment) -> datetime:
    """When this worker last said something about the call."""
    taps = (assignment.accepted_at, assignment.departed_at, assignment.arrived_at)
    return max((at for at in taps if at is not None), default=assignment.offered_at)
