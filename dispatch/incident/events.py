"""What can happen to an incident. Events are past (a person or terminal did something) or due (a clock ran out)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from dispatch.incident.policy import Policy
from dispatch.model import AssignmentId, Band, Key, TerminalId, WorkerId


class Event(msgspec.Struct, frozen=True):
    """Anything that can happen."""


class IncidentEvent(Event, frozen=True):
    """Something that concerns the incident as a whole."""


class AssignmentEvent(Event, frozen=True):
    """Something that concerns one assignment. `by` is who said so: a worker, an operator's name, or `clock`."""

    assignment_id: AssignmentId
    by: str


# --- the incident as a whole ----------------------------------------------------------------------------------------


class AlarmRaised(IncidentEvent, frozen=True):
    """Another alarm of the same subject and class; it joins. `policy` is what its kind would run under by itself.

    `cancel_ids` are cancels of it that came before it.
    """

    terminal_id: TerminalId
    alarm_id: str
    kind: Key
    policy: Policy
    cancel_ids: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()


class AlarmRepeated(IncidentEvent, frozen=True):
    """The very same alarm (or cancel, with `is_cancel`) again: its terminal has not heard our receipt."""

    terminal_id: TerminalId
    alarm_id: str
    is_cancel: bool = False


class AlarmCancelled(IncidentEvent, frozen=True):
    """The terminal takes an alarm of this incident back. `cancel_id` is the id of the cancel message itself."""

    terminal_id: TerminalId
    alarm_id: str
    cancel_id: str


class CancelConfirmed(IncidentEvent, frozen=True):
    """A person (operator or worker) confirms that the cancel was meant."""

    by: str


class Pick(msgspec.Struct, frozen=True):
    """One worker the router or an operator chose. `offer_id` is drawn outside: the rules draw nothing."""

    offer_id: AssignmentId
    worker_id: WorkerId
    eta_s: int
    distance_m: int | None = None
    skills: tuple[str, ...] = ()


class WorkersChosen(IncidentEvent, frozen=True):
    """The router's answer, best first; empty when nobody is left. `counts` are the non-picks by reason code.

    `dropped` counts picks that another commit took meanwhile: fewer picks than wanted then do not mean nobody is left.
    """

    picks: tuple[Pick, ...]
    counts: dict[str, int] = {}
    dropped: int = 0


class OperatorAnswered(IncidentEvent, frozen=True):
    """A person at the centre has taken the call."""

    by: str


class OperatorAssigned(IncidentEvent, frozen=True):
    """An operator offers the call to one worker by hand; a former no does not bar that."""

    by: str
    pick: Pick


class OperatorEscalated(IncidentEvent, frozen=True):
    """An operator asks for the next step of the ladder now."""

    by: str


class HandsWanted(IncidentEvent, frozen=True):
    """An operator or worker wants `more` further workers at the door."""

    by: str
    more: int = 1


class BandRaised(IncidentEvent, frozen=True):
    """A person says it is graver than its key said; `policy` is the kind it is treated as from now on."""

    by: str
    band: Band
    kind: Key
    policy: Policy


class Noted(IncidentEvent, frozen=True):
    """Somebody wrote something down; the text itself is kept beside the log, under `note_id`."""

    by: str
    note_id: UUID


class ServiceSaid(IncidentEvent, frozen=True):
    """The service itself says again that something is wrong, with new facts."""

    facts: dict[str, Any]


class Closed(IncidentEvent, frozen=True):
    """An operator asks to close with an outcome."""

    by: str
    outcome: str


class StepDue(IncidentEvent, frozen=True):
    """The ladder's next step is due."""


class VerifyDue(IncidentEvent, frozen=True):
    """Nobody has answered a sensor's call in its verification time: silence counts as yes."""


class GraceDue(IncidentEvent, frozen=True):
    """Nobody has objected to the cancel of a call of band 2 or 3."""


class CloseDue(IncidentEvent, frozen=True):
    """The work is done and nobody has closed the call."""


# --- one assignment -------------------------------------------------------------------------------------------------


class OfferSeen(AssignmentEvent, frozen=True):
    """The offer stood on the worker's screen."""


class OfferAccepted(AssignmentEvent, frozen=True):
    """The worker says yes. `new_offer_id` is used if the offer is stale and the worker can be asked anew.

    `is_busy` is True when that worker holds a live offer or assignment of another incident.
    """

    new_offer_id: AssignmentId
    is_busy: bool = False


class OfferDeclined(AssignmentEvent, frozen=True):
    """The worker says no, or gives an accepted call back; `reason` is a code."""

    reason: str


class OfferLapsed(AssignmentEvent, frozen=True):
    """Nobody answered the offer in time."""


class Released(AssignmentEvent, frozen=True):
    """An operator takes the call off a worker."""


class Departed(AssignmentEvent, frozen=True):
    """The worker has set off."""

    is_busy: bool = False


class DepartOverdue(AssignmentEvent, frozen=True):
    """The worker accepted and has not set off in time."""


class Arrived(AssignmentEvent, frozen=True):
    """The worker stands at the door."""

    is_busy: bool = False


class ArriveOverdue(AssignmentEvent, frozen=True):
    """The worker has set off and is not there in time."""


class CheckedIn(AssignmentEvent, frozen=True):
    """The worker at the door says that all is well."""


class CheckOverdue(AssignmentEvent, frozen=True):
    """The worker at the door has not been heard from for the time of a check."""


class AssignmentFinished(AssignmentEvent, frozen=True):
    """The worker is done; `outcome` is a code."""

    outcome: str


class WorkerLost(AssignmentEvent, frozen=True):
    """The worker no longer answers, or an operator says so."""

    reason: str


INCIDENT_EVENTS: tuple[type[IncidentEvent], ...] = tuple(IncidentEvent.__subclasses__())
ASSIGNMENT_EVENTS: tuple[type[AssignmentEvent], ...] = tuple(AssignmentEvent.__subclasses__())


def name_of(event: Event) -> str:
    """The event's code in the log: `OfferAccepted` is written `offer_accepted`."""
    return NAMES[type(event)]


def name_of_kind(kind: type[Event]) -> str:
    """The code of a kind of event."""
    return NAMES[kind]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


NAMES: dict[type[Any], str] = {kind: _snake(kind.__name__) for kind in (*INCIDENT_EVENTS, *ASSIGNMENT_EVENTS)}
