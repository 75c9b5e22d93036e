"""What an event does to an incident: `decide(incident, event, now) -> (incident, effects)`.

Pure and total: the table in `states` says whether and where anything moves; the functions here, in `alarms` (what
terminals say further) and in `workers` (offers and assignments) say what else that brings.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dispatch.incident import alarms, workers
from dispatch.incident import events as ev
from dispatch.incident.alarms import adopt
from dispatch.incident.clocks import settle
from dispatch.incident.closing import is_done, last_outcome, shut
from dispatch.incident.draft import Draft, wants
from dispatch.incident.effects import Effect, NotifyOperators, Stage
from dispatch.incident.escalation import climb
from dispatch.incident.policy import OfferWhen, Policy
from dispatch.incident.states import (
    ASSIGNMENT_MOVES,
    INCIDENT_MOVES,
    Caller,
    Ignore,
    Incident,
    IncidentClass,
    Move,
    Subject,
)
from dispatch.model import IncidentId, Origin

Decision = tuple[Incident, tuple[Effect, ...]]


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """Everything needed to open an incident. `by` names who opened it: a terminal's id, an operator, `rules`.

    `cancel_ids` are cancels of its alarm that came before it. `is_placeless`: nobody knows where it is, so a person is
    asked first, for as long as a sensor's word would wait.
    """

    id: IncidentId
    incident_class: IncidentClass
    subject: Subject
    origin: Origin
    policy: Policy
    by: str
    caller: Caller | None = None
    is_test: bool = False
    is_exercise: bool = False
    cancel_ids: tuple[str, ...] = ()
    is_placeless: bool = False
    flaws: tuple[str, ...] = ()
    reachable: frozenset[str] = frozenset()
    facts: dict[str, Any] = {}


def open_incident(opening: Opening, now: datetime) -> Decision:
    """The incident that an alarm, an operator or the service opens. A test is answered and closed at once."""
    policy = opening.policy
    answer_by = now + timedelta(seconds=policy.answer_within_s)
    asks_first = policy.offer is OfferWhen.AFTER_ANSWER or opening.is_placeless
    waits = asks_first and opening.origin is not Origin.OPERATOR
    incident = Incident(
        id=opening.id,
        incident_class=opening.incident_class,
        subject=opening.subject,
        origin=opening.origin,
        kind=policy.kind,
        band=policy.band,
        policy=policy,
        opened_at=now,
        is_exercise=opening.is_exercise or opening.is_test,
        callers=(opening.caller,) if opening.caller else (),
        hands=policy.hands,
        step_due_at=answer_by,
        answer_by=answer_by,
        verify_by=now + timedelta(seconds=policy.verify_within_s) if waits else None,
        reachable=opening.reachable,
    )
    draft = Draft(incident, now)
    draft.record("opened", opening.by, **_opening_facts(opening))
    draft.tell_callers(Stage.STORED)
    if opening.is_test:
        draft.tell_callers(Stage.TESTED)
        shut(draft, opening.by, "test", tell=False)
    elif opening.caller:
        alarms.take_back(draft, opening.caller.terminal_id, opening.caller.alarm_id, opening.cancel_ids)
    if opening.origin is Origin.OPERATOR:
        _answer(draft, ev.OperatorAnswered(by=opening.by))
    settle(draft, before=0)
    return draft.incident, tuple(draft.effects)


def _opening_facts(opening: Opening) -> dict[str, Any]:
    facts: dict[str, Any] = {"kind": opening.policy.kind.value, "band": int(opening.policy.band)}
    if opening.caller:
        facts |= {"terminal_id": opening.caller.terminal_id, "alarm_id": opening.caller.alarm_id}
    if opening.flaws:
        facts["flaws"] = list(opening.flaws)
    return facts | {"origin": opening.origin.value, "policy": opening.policy.hash} | opening.facts


def decide(incident: Incident, event: ev.Event, now: datetime) -> Decision:
    """The incident after the event, and what the world is asked to do. Total: an event that may not move it is ignored
    with a reason, which the log keeps (`ignored`).
    """
    draft = Draft(incident, now)
    before = wants(incident)
    if isinstance(event, ev.AssignmentEvent):
        ignored = _on_assignment(draft, event)
    else:
        assert isinstance(event, ev.IncidentEvent)
        ignored = _on_incident(draft, event)
    if ignored is not None:
        by = getattr(event, "by", "rules")
        draft.record("ignored", by, event=ev.name_of(event), reason=ignored.reason)
    elif incident.closed_at is None:
        settle(draft, before)
    return draft.incident, tuple(draft.effects)


def _on_assignment(draft: Draft, event: ev.AssignmentEvent) -> Ignore | None:
    assignment = draft.incident.assignment(event.assignment_id)
    if assignment is None:
        return Ignore("no_such_assignment")
    if draft.incident.closed_at is not None:
        return Ignore("incident_closed")
    target = ASSIGNMENT_MOVES[assignment.state][type(event)]
    if isinstance(target, Ignore):
        return target
    return workers.move(draft, assignment, event, target)


def _on_incident(draft: Draft, event: ev.IncidentEvent) -> Ignore | None:
    move = INCIDENT_MOVES[draft.incident.state][type(event)]
    if isinstance(move, Ignore):
        return move
    return HANDLERS[move](draft, event)


# --- the centre -----------------------------------------------------------------------------------------------------


def _answer(draft: Draft, event: ev.OperatorAnswered) -> Ignore | None:
    if draft.incident.answered_at is not None:
        return Ignore("already_answered")
    draft.change(answered_at=draft.now, answered_by=event.by, verify_by=None)
    draft.record("operator_answered", event.by)
    return None


def _verified(draft: Draft, _event: ev.VerifyDue) -> None:
    draft.change(verify_by=None)
    draft.record("verify_due", "clock")


def _climb(draft: Draft, event: ev.StepDue | ev.OperatorEscalated) -> None:
    if isinstance(event, ev.OperatorEscalated):
        climb(draft, event.by, "asked")
    else:
        climb(draft, "clock", "unanswered" if draft.incident.answered_at is None else "nobody_coming")


def _remind(draft: Draft, _event: ev.CloseDue) -> None:
    incident = draft.incident
    if is_done(incident) and incident.policy.close_after_s is not None:
        shut(draft, "policy", last_outcome(incident))
        return
    draft.change(close_by=draft.now + timedelta(seconds=incident.policy.remind_every_s))
    draft.record("close_due", "clock")
    draft.ask(NotifyOperators("not_closed"))


def _more_hands(draft: Draft, event: ev.HandsWanted) -> None:
    draft.change(hands=min(draft.incident.hands + event.more, 10))
    draft.record("hands_wanted", event.by, more=event.more)


def _raise_band(draft: Draft, event: ev.BandRaised) -> Ignore | None:
    if event.band >= draft.incident.band:
        return Ignore("not_graver")
    answered_at, answered_by = draft.incident.answered_at, draft.incident.answered_by
    adopt(draft, event.policy, event.by)
    draft.change(answered_at=answered_at, answered_by=answered_by)  # the one who raises it is at it
    return None


def _note(draft: Draft, event: ev.Noted) -> None:
    draft.record("noted", event.by, note_id=event.note_id)


def _close(draft: Draft, event: ev.Closed) -> Ignore | None:
    if draft.incident.coming():
        return Ignore("workers_still_out")
    shut(draft, event.by, event.outcome)
    return None


def _say_again(draft: Draft, event: ev.ServiceSaid) -> None:
    draft.record("service_said", "service", **event.facts)
    draft.ask(NotifyOperators("service_said", event.facts))


HANDLERS: dict[Move, Callable[[Draft, Any], Ignore | None]] = {
    Move.JOIN: alarms.join,
    Move.REPEAT: alarms.repeat,
    Move.CANCEL: alarms.cancelled,
    Move.CONFIRM_CANCEL: alarms.confirm_cancel,
    Move.OFFER: workers.offer,
    Move.ANSWER: _answer,
    Move.ASSIGN: workers.assign,
    Move.CLIMB: _climb,
    Move.VERIFIED: _verified,
    Move.GRACE_OVER: alarms.grace_over,
    Move.REMIND: _remind,
    Move.MORE_HANDS: _more_hands,
    Move.RAISE_BAND: _raise_band,
    Move.NOTE: _note,
    Move.SAY_AGAIN: _say_again,
    Move.CLOSE: _close,
}
