"""One decision in the making: the incident as it becomes, and the effects asked for so far. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from msgspec.structs import replace

from dispatch.incident.effects import Effect, Record, SendReceipt, Stage, WithdrawOffer
from dispatch.incident.events import AlarmRaised
from dispatch.incident.policy import OfferWhen
from dispatch.incident.states import (
    COMING,
    LIVE,
    Assignment,
    AssignmentState,
    Caller,
    Incident,
    IncidentState,
)
from dispatch.model import TERMINAL_KEYS, TerminalId

BY_ITSELF = frozenset({"router", "rules"})
"""Who offers without a person having chosen the worker."""


def attending(incident: Incident) -> int:
    """How many workers have said yes and are coming, there, or done."""
    return sum(1 for each in incident.assignments if each.state in COMING or each.state is AssignmentState.FINISHED)


def wants(incident: Incident) -> int:
    """How many more offers the router should make now; 0 if none may be made.

    Whom an operator asks by hand stands for a pair of hands while the answer is open: the router does not ask others
    for the same place, who might be quicker to say yes than the one a person chose.
    """
    policy = incident.policy
    may_offer = policy.offer is not OfferWhen.NEVER and incident.verify_by is None
    if incident.closed_at is not None or not may_offer:
        return 0
    if not incident.assignments:
        return incident.hands * policy.parallel_offers
    asked = [each for each in incident.assignments if each.state is AssignmentState.OFFERED]
    by_hand = sum(1 for each in asked if each.offered_by not in BY_ITSELF)
    needed = incident.hands - attending(incident) - by_hand
    return max(0, needed * policy.parallel_offers - (len(asked) - by_hand)) if needed > 0 else 0


def is_unmet(incident: Incident) -> bool:
    """Whether the ladder must go on: nobody at the centre has answered, or too few workers have said yes."""
    if incident.closed_at is not None:
        return False
    lacks_workers = incident.policy.offer is not OfferWhen.NEVER and attending(incident) < incident.hands
    return incident.answered_at is None or lacks_workers


def callers_with(incident: Incident, event: AlarmRaised) -> tuple[Caller, ...]:
    """Whoever calls, under the latest alarm.

    What the service made of a reading has an id that the terminal does not know, so it never takes the place of a
    press: the elder would hear no more of it.
    """
    is_known = any(each.terminal_id == event.terminal_id for each in incident.callers)
    if is_known and event.kind not in TERMINAL_KEYS:
        return incident.callers
    others = tuple(each for each in incident.callers if each.terminal_id != event.terminal_id)
    return (*others, Caller(event.terminal_id, event.alarm_id))


class Draft:
    """Collects what one decision changes and asks for."""

    def __init__(self, incident: Incident, now: datetime) -> None:
        self.incident = incident
        self.now = now
        self.effects: list[Effect] = []

    def change(self, **fields: Any) -> None:
        """Set fields of the incident."""
        self.incident = replace(self.incident, **fields)

    def ask(self, effect: Effect) -> None:
        """Ask the world for something."""
        self.effects.append(effect)

    def record(self, code: str, by: str, **facts: Any) -> None:
        """Write a line into the incident's log."""
        self.effects.append(Record(code=code, by=by, facts=facts))

    def put(self, assignment: Assignment) -> None:
        """Add an assignment, or replace the one of the same id."""
        others = self.incident.assignments
        if any(each.id == assignment.id for each in others):
            self.change(assignments=tuple(assignment if each.id == assignment.id else each for each in others))
        else:
            self.change(assignments=(*others, assignment))

    def end(self, assignment: Assignment, state: AssignmentState, reason: str, *, tell: bool = True) -> None:
        """End an assignment; with `tell`, take it off the worker's phone as well."""
        self.put(replace(assignment, state=state, due_at=None, overdue=0, ended_at=self.now, end_reason=reason))
        if tell and assignment.state in LIVE:
            self.ask(WithdrawOffer(offer_id=assignment.id, worker_id=assignment.worker_id, reason=reason))

    def end_all(self, reason: str) -> None:
        """Withdraw every live assignment."""
        for assignment in self.incident.live():
            self.record("withdrawn", "rules", offer_id=assignment.id, worker_id=assignment.worker_id, reason=reason)
            self.end(assignment, AssignmentState.WITHDRAWN, reason)

    def receipt(self, terminal_id: TerminalId, alarm_id: str, stage: Stage, about: Assignment | None = None) -> None:
        """Send one receipt, numbered."""
        n = self.incident.receipt_n + 1
        self.change(receipt_n=n)
        worker_id = about.worker_id if about else None
        eta_s = about.eta_s if about and stage in {Stage.ASSIGNED, Stage.DEPARTED} else None
        self.ask(SendReceipt(terminal_id, alarm_id, n, stage, worker_id, eta_s))

    def tell_callers(self, stage: Stage, about: Assignment | None = None) -> None:
        """Send a receipt to every terminal that called."""
        for caller in self.incident.callers:
            self.receipt(caller.terminal_id, caller.alarm_id, stage, about)

    def present_stage(self, terminal_id: TerminalId, alarm_id: str) -> None:
        """Tell one terminal how far the call already is, if it is further than stored."""
        stage = STAGE_OF.get(self.incident.state)
        coming = self.incident.coming()
        if stage is not None and coming:
            self.receipt(terminal_id, alarm_id, stage, coming[0])


STAGE_OF = {
    IncidentState.ACCEPTED: Stage.ASSIGNED,
    IncidentState.EN_ROUTE: Stage.DEPARTED,
    IncidentState.ON_SCENE: Stage.ARRIVED,
}
