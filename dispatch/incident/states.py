"""The Incident and Assignment records, their states, and the one table of moves.

Everything about which event may move what stands in `ASSIGNMENT_MOVES` and `INCIDENT_MOVES`; `decide` only looks there.
The diagram in ARCHITECTURE.md is generated from these tables (`python -m dispatch.incident.diagram`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from dispatch.incident import events as ev
from dispatch.incident.policy import Policy
from dispatch.model import AssignmentId, Band, IncidentId, Key, Origin, TerminalId, WorkerId


class IncidentClass(StrEnum):
    """Classes never join each other and have queues and clocks of their own."""

    CARE = "care"
    TECHNICAL = "technical"
    SAFETY = "safety"
    CENTRE = "centre"


class SubjectKind(StrEnum):
    """What an incident is about."""

    HOME = "home"
    WORKER = "worker"
    AREA = "area"
    CENTRE = "centre"


class Subject(msgspec.Struct, frozen=True):
    """Whom or what an incident is about; at most one open incident of a class has the same subject."""

    kind: SubjectKind
    id: str


class AssignmentState(StrEnum):
    """An offer that goes on as the assignment, or ends."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    FINISHED = "finished"
    DECLINED = "declined"
    LAPSED = "lapsed"
    WITHDRAWN = "withdrawn"
    LOST = "lost"


class IncidentState(StrEnum):
    """The furthest of an incident's live assignments, or closed."""

    WAITING = "waiting"
    OFFERED = "offered"
    ACCEPTED = "accepted"
    EN_ROUTE = "en_route"
    ON_SCENE = "on_scene"
    CLOSED = "closed"


LIVE = frozenset(
    {AssignmentState.OFFERED, AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE}
)
"""States in which an assignment occupies its worker."""

COMING = frozenset({AssignmentState.ACCEPTED, AssignmentState.EN_ROUTE, AssignmentState.ON_SCENE})
"""States in which a worker has said yes and not ended."""


class Assignment(msgspec.Struct, frozen=True):
    """One worker and one incident, from the offer on.

    `due_at` is when its present clock (accept, depart, arrive, or the on-scene check) runs out, None once ended;
    `overdue` counts how often it has run out in the present state. `offered_by` is `router` or an operator's name.
    """

    id: AssignmentId
    worker_id: WorkerId
    state: AssignmentState
    offered_at: datetime
    due_at: datetime | None
    eta_s: int
    offered_by: str = "router"
    skills: tuple[str, ...] = ()
    overdue: int = 0
    seen_at: datetime | None = None
    accepted_at: datetime | None = None
    departed_at: datetime | None = None
    arrived_at: datetime | None = None
    ended_at: datetime | None = None
    end_reason: str | None = None


class Caller(msgspec.Struct, frozen=True):
    """A terminal that hears this incident's receipts, under its latest alarm id; and whether it took that back."""

    terminal_id: TerminalId
    alarm_id: str
    is_cancelled: bool = False


class Incident(msgspec.Struct, frozen=True):
    """One call, from the first alarm to its close. Never changes once `closed_at` is set.

    Clocks, each None when it does not run: `step_due_at` the ladder's next step (at first the answer clock),
    `verify_by` the time a sensor's word waits for a person before workers are sent, `grace_by` the end of a cancelled
    call of band 2 or 3, `close_by` the next reminder that a finished call is not closed. `hands` is how many workers
    are wanted; `nobody` says that the router found nobody further and waits for a worker to become free. `step` counts
    the ladder's steps taken, `level` is the highest level reached, `receipt_n` numbers the receipts. `reachable` names
    the targets a ladder step would find somebody for; it is looked up when the incident is read, not stored.
    """

    id: IncidentId
    incident_class: IncidentClass
    subject: Subject
    origin: Origin
    kind: Key
    band: Band
    policy: Policy
    opened_at: datetime
    is_exercise: bool = False
    callers: tuple[Caller, ...] = ()
    alarms: int = 1
    hands: int = 1
    nobody: bool = False
    level: int = 0
    step: int = 0
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
    receipt_n: int = 0
    version: int = 0
    assignments: tuple[Assignment, ...] = ()
    reachable: frozenset[str] = frozenset()

    @property
    def state(self) -> IncidentState:
        """The furthest of the live assignments, `waiting` without one, or `closed`."""
        if self.closed_at is not None:
            return IncidentState.CLOSED
        if not self.assignments:
            return IncidentState.WAITING
        states = {each.state for each in self.assignments}
        for state in FURTHEST_FIRST:
            if state in states:
                return IncidentState(state.value)
        return IncidentState.WAITING

    def assignment(self, assignment_id: AssignmentId) -> Assignment | None:
        """The assignment of that id, or None."""
        return next((each for each in self.assignments if each.id == assignment_id), None)

    def live(self) -> tuple[Assignment, ...]:
        """Assignments that occupy a worker now."""
        return tuple(each for each in self.assignments if each.state in LIVE)

    def coming(self) -> tuple[Assignment, ...]:
        """Assignments whose worker has said yes and is on the way or there."""
        return tuple(each for each in self.assignments if each.state in COMING)


FURTHEST_FIRST = (
    AssignmentState.ON_SCENE,
    AssignmentState.EN_ROUTE,
    AssignmentState.ACCEPTED,
    AssignmentState.OFFERED,
)


class Ignore(msgspec.Struct, frozen=True):
    """A legal outcome: nothing moves, and the log says why. Late and doubled messages are ordinary weather."""

    reason: str


class Stay(StrEnum):
    """What may happen without a change of state."""

    NOTED = "noted"
    REOFFER = "reoffer"


A = AssignmentState
ENDED = Ignore("assignment_ended")

AssignmentMoves = dict[type[ev.AssignmentEvent], AssignmentState | Stay | Ignore]
_NO_MORE: AssignmentMoves = dict.fromkeys(ev.ASSIGNMENT_EVENTS, ENDED)

ASSIGNMENT_MOVES: dict[AssignmentState, AssignmentMoves] = {
    A.OFFERED: {
        ev.OfferSeen: Stay.NOTED,
        ev.OfferAccepted: A.ACCEPTED,
        ev.OfferDeclined: A.DECLINED,
        ev.OfferLapsed: A.LAPSED,
        ev.Released: A.WITHDRAWN,
        ev.Departed: Ignore("not_accepted"),
        ev.DepartOverdue: Ignore("not_accepted"),
        ev.Arrived: Ignore("not_accepted"),
        ev.ArriveOverdue: Ignore("not_accepted"),
        ev.CheckedIn: Ignore("not_accepted"),
        ev.CheckOverdue: Ignore("not_accepted"),
        ev.AssignmentFinished: Ignore("not_accepted"),
        ev.WorkerLost: A.LOST,
    },
    A.ACCEPTED: {
        ev.OfferSeen: Ignore("already_accepted"),
        ev.OfferAccepted: Ignore("already_accepted"),
        ev.OfferDeclined: A.DECLINED,
        ev.OfferLapsed: Ignore("already_accepted"),
        ev.Released: A.WITHDRAWN,
        ev.Departed: A.EN_ROUTE,
        ev.DepartOverdue: Stay.NOTED,
        ev.Arrived: A.ON_SCENE,
        ev.ArriveOverdue: Ignore("not_departed"),
        ev.CheckedIn: Ignore("not_arrived"),
        ev.CheckOverdue: Ignore("not_arrived"),
        ev.AssignmentFinished: Ignore("not_arrived"),
        ev.WorkerLost: A.LOST,
    },
    A.EN_ROUTE: {
        ev.OfferSeen: Ignore("already_accepted"),
        ev.OfferAccepted: Ignore("already_accepted"),
        ev.OfferDeclined: A.DECLINED,
        ev.OfferLapsed: Ignore("already_accepted"),
        ev.Released: A.WITHDRAWN,
        ev.Departed: Ignore("already_departed"),
        ev.DepartOverdue: Ignore("already_departed"),
        ev.Arrived: A.ON_SCENE,
        ev.ArriveOverdue: Stay.NOTED,
        ev.CheckedIn: Ignore("not_arrived"),
        ev.CheckOverdue: Ignore("not_arrived"),
        ev.AssignmentFinished: Ignore("not_arrived"),
        ev.WorkerLost: A.LOST,
    },
    A.ON_SCENE: {
        ev.OfferSeen: Ignore("already_accepted"),
        ev.OfferAccepted: Ignore("already_accepted"),
        ev.OfferDeclined: Ignore("already_arrived"),
        ev.OfferLapsed: Ignore("already_accepted"),
        ev.Released: A.WITHDRAWN,
        ev.Departed: Ignore("already_arrived"),
        ev.DepartOverdue: Ignore("already_arrived"),
        ev.Arrived: Ignore("already_arrived"),
        ev.ArriveOverdue: Ignore("already_arrived"),
        ev.CheckedIn: Stay.NOTED,
        ev.CheckOverdue: Stay.NOTED,
        ev.AssignmentFinished: A.FINISHED,
        ev.WorkerLost: A.LOST,
    },
    A.FINISHED: _NO_MORE,
    A.DECLINED: _NO_MORE,
    A.LAPSED: {**_NO_MORE, ev.OfferAccepted: Stay.REOFFER, ev.OfferDeclined: A.DECLINED},
    A.WITHDRAWN: {**_NO_MORE, ev.OfferAccepted: Stay.REOFFER},
    A.LOST: {
        **_NO_MORE,
        ev.OfferAccepted: Stay.REOFFER,
        ev.Departed: A.EN_ROUTE,
        ev.Arrived: A.ON_SCENE,
    },
}


class Move(StrEnum):
    """What an event that concerns the incident as a whole does to an open one."""

    JOIN = "join"
    REPEAT = "repeat"
    CANCEL = "cancel"
    CONFIRM_CANCEL = "confirm_cancel"
    OFFER = "offer"
    ANSWER = "answer"
    ASSIGN = "assign"
    CLIMB = "climb"
    VERIFIED = "verified"
    GRACE_OVER = "grace_over"
    REMIND = "remind"
    MORE_HANDS = "more_hands"
    RAISE_BAND = "raise_band"
    NOTE = "note"
    SAY_AGAIN = "say_again"
    CLOSE = "close"


S = IncidentState
CLOSED = Ignore("incident_closed")

_OPEN: dict[type[ev.IncidentEvent], Move | Ignore] = {
    ev.AlarmRaised: Move.JOIN,
    ev.AlarmRepeated: Move.REPEAT,
    ev.AlarmCancelled: Move.CANCEL,
    ev.CancelConfirmed: Move.CONFIRM_CANCEL,
    ev.WorkersChosen: Move.OFFER,
    ev.OperatorAnswered: Move.ANSWER,
    ev.OperatorAssigned: Move.ASSIGN,
    ev.OperatorEscalated: Move.CLIMB,
    ev.StepDue: Move.CLIMB,
    ev.VerifyDue: Move.VERIFIED,
    ev.GraceDue: Move.GRACE_OVER,
    ev.CloseDue: Move.REMIND,
    ev.HandsWanted: Move.MORE_HANDS,
    ev.BandRaised: Move.RAISE_BAND,
    ev.Noted: Move.NOTE,
    ev.ServiceSaid: Move.SAY_AGAIN,
    ev.Closed: Move.CLOSE,
}
"""While a call is open these do not depend on how far its workers are; what does is in ASSIGNMENT_MOVES."""

INCIDENT_MOVES: dict[IncidentState, dict[type[ev.IncidentEvent], Move | Ignore]] = {
    **{state: _OPEN for state in IncidentState if state is not S.CLOSED},
    S.CLOSED: dict.fromkeys(ev.INCIDENT_EVENTS, CLOSED)
    | {ev.AlarmRepeated: Move.REPEAT, ev.AlarmCancelled: Move.REPEAT, ev.Noted: Move.NOTE},
}
