"""What an event does to an incident: `decide(incident, event, now) -> (incident, effects)`.

Pure and total: the table in `states` says whether and where anything moves, the functions here say what else that
brings. `due_at` and `due_event` play the part of a timer: whoever runs the rules sleeps until the one and feeds back
the other.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dispatch.incident import events as ev
from dispatch.incident import workers
from dispatch.incident.draft import Draft, callers_with, is_unmet, wants
from dispatch.incident.effects import Effect, NotifyOperators, Stage, TellWorker
from dispatch.incident.escalation import climb, step_under, wait_s
from dispatch.incident.policy import OfferWhen, Policy
from dispatch.incident.states import (
    ASSIGNMENT_MOVES,
    INCIDENT_MOVES,
    AssignmentState,
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
    """Everything needed to open an incident. `by` names who opened it: a terminal's id, an operator, `rules`."""

    id: IncidentId
    incident_class: IncidentClass
    subject: Subject
    origin: Origin
    policy: Policy
    by: str
    caller: Caller | None = None
    is_test: bool = False
    is_exercise: bool = False
    is_cancelled: bool = False
    flaws: tuple[str, ...] = ()
    reachable: frozenset[str] = frozenset()
    facts: dict[str, Any] = {}


def open_incident(opening: Opening, now: datetime) -> Decision:
    """The incident that an alarm, an operator or the service opens. A test is answered and closed at once."""
    policy = opening.policy
    answer_by = now + timedelta(seconds=policy.answer_within_s)
    waits = policy.offer is OfferWhen.AFTER_ANSWER and opening.origin is not Origin.OPERATOR
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
        _shut(draft, opening.by, "test", tell=False)
    elif opening.is_cancelled:
        _cancel(draft, opening.by)
    if opening.origin is Origin.OPERATOR:
        _answer(draft, ev.OperatorAnswered(by=opening.by))
    _settle(draft, before=0)
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
        _settle(draft, before)
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


# --- clocks ---------------------------------------------------------------------------------------------------------

_DUE_OF_ASSIGNMENT: dict[AssignmentState, type[ev.AssignmentEvent]] = {
    AssignmentState.OFFERED: ev.OfferLapsed,
    AssignmentState.ACCEPTED: ev.DepartOverdue,
    AssignmentState.EN_ROUTE: ev.ArriveOverdue,
    AssignmentState.ON_SCENE: ev.CheckOverdue,
}


def _clocks(incident: Incident) -> list[tuple[datetime, ev.Event]]:
    """Every running clock with what it brings; of two that run out together the earlier in this list comes first."""
    clocks: list[tuple[datetime, ev.Event]] = [
        (each.due_at, _DUE_OF_ASSIGNMENT[each.state](each.id, "clock"))
        for each in incident.assignments
        if each.due_at is not None
    ]
    named = (
        (incident.verify_by, ev.VerifyDue()),
        (incident.grace_by, ev.GraceDue()),
        (incident.step_due_at, ev.StepDue()),
        (incident.close_by, ev.CloseDue()),
    )
    return clocks + [(at, event) for at, event in named if at is not None]


def due_at(incident: Incident) -> datetime | None:
    """When the earliest clock runs out; None exactly when the incident is closed."""
    return min((at for at, _ in _clocks(incident)), default=None)


def due_event(incident: Incident) -> ev.Event | None:
    """What happens when the earliest clock runs out."""
    clocks = _clocks(incident)
    return min(clocks, key=lambda clock: clock[0])[1] if clocks else None


def _settle(draft: Draft, before: int) -> None:
    """Start and stop the clocks that follow from where everything now stands."""
    incident = draft.incident
    if incident.closed_at is not None:
        return
    if wants(incident) > before:
        draft.change(nobody=False)
    if not is_unmet(incident):
        draft.change(step_due_at=None)
    elif incident.step_due_at is None:
        draft.change(step_due_at=draft.now + timedelta(seconds=wait_s(incident)))
    _settle_close(draft)


def _settle_close(draft: Draft) -> None:
    """When all work is done the policy may close the call; else somebody is reminded to, so that no call is left."""
    incident = draft.incident
    is_done = not incident.live() and any(each.state is AssignmentState.FINISHED for each in incident.assignments)
    if is_done and incident.policy.close_after_s == 0 and wants(incident) == 0:
        _shut(draft, "policy", _last_outcome(incident))
    elif is_done and incident.close_by is None:
        seconds = incident.policy.close_after_s or incident.policy.remind_every_s
        draft.change(close_by=draft.now + timedelta(seconds=seconds))
    elif not is_done and incident.close_by is not None:
        draft.change(close_by=None)
    if draft.incident.closed_at is None and due_at(draft.incident) is None:
        draft.change(close_by=draft.now + timedelta(seconds=incident.policy.remind_every_s))


def _last_outcome(incident: Incident) -> str:
    done = [each for each in incident.assignments if each.state is AssignmentState.FINISHED]
    return (done[-1].end_reason if done else None) or "finished"


# --- alarms and cancels ---------------------------------------------------------------------------------------------


def _join(draft: Draft, event: ev.AlarmRaised) -> None:
    incident = draft.incident
    draft.change(callers=callers_with(incident, event), alarms=incident.alarms + 1)
    draft.record(
        "alarm_joined", event.terminal_id, alarm_id=event.alarm_id, kind=event.kind.value, flaws=list(event.flaws)
    )
    if event.is_cancelled:
        _cancel(draft, event.terminal_id)
    elif incident.cancelled_at is not None:
        draft.change(cancelled_at=None, grace_by=None)
        draft.record("cancel_overruled", event.terminal_id, alarm_id=event.alarm_id)
    if event.policy.band < incident.band:
        _adopt(draft, event.policy, event.terminal_id)
    draft.receipt(event.terminal_id, event.alarm_id, Stage.STORED)
    draft.present_stage(event.terminal_id, event.alarm_id)


def _adopt(draft: Draft, policy: Policy, by: str) -> None:
    """Go on under a graver kind's policy: its clocks from now, its ladder from the level already reached."""
    incident = draft.incident
    answer_by = draft.now + timedelta(seconds=policy.answer_within_s)
    has_skills = any(set(policy.skills) <= set(each.skills) for each in incident.coming())
    short = 1 if incident.coming() and not has_skills else 0
    draft.change(
        kind=policy.kind,
        band=policy.band,
        policy=policy,
        hands=max(incident.hands, policy.hands) + short,
        step=step_under(policy, incident.level),
        answered_at=None,
        answered_by=None,
        answer_by=answer_by,
        step_due_at=answer_by,
        verify_by=None if policy.offer is OfferWhen.AT_ONCE else incident.verify_by,
        grace_by=None,
    )
    draft.record("graver", by, kind=policy.kind.value, band=int(policy.band), policy=policy.hash)
    draft.ask(NotifyOperators("graver", {"kind": policy.kind.value}))
    for each in incident.live():
        draft.ask(TellWorker(each.id, each.worker_id, "graver", {"kind": policy.kind.value}))


def _repeat(draft: Draft, event: ev.AlarmRepeated | ev.AlarmCancelled) -> None:
    """The terminal has not heard us: say it again, and how far the call is; nothing else changes.

    A closed call keeps its number of receipts, since it never changes: what is said of it again has the same numbers.
    """
    incident = draft.incident
    message_id = event.cancel_id if isinstance(event, ev.AlarmCancelled) else event.alarm_id
    draft.record(ev.name_of(event), event.terminal_id, alarm_id=event.alarm_id)
    draft.receipt(event.terminal_id, message_id, Stage.STORED)
    if incident.closed_at is None:
        draft.present_stage(event.terminal_id, message_id)
    else:
        draft.receipt(event.terminal_id, message_id, Stage.TESTED if incident.outcome == "test" else Stage.CLOSED)
        draft.incident = incident


def _cancelled(draft: Draft, event: ev.AlarmCancelled) -> None:
    draft.record("alarm_cancelled", event.terminal_id, alarm_id=event.alarm_id)
    _cancel(draft, event.terminal_id)
    draft.receipt(event.terminal_id, event.cancel_id, Stage.STORED)
    draft.receipt(event.terminal_id, event.cancel_id, Stage.CANCELLED)


def _cancel(draft: Draft, by: str) -> None:
    """Note a cancel. It withdraws nobody by itself: a person confirms it, or (bands 2, 3) a grace time passes."""
    grace_s = draft.incident.policy.cancel_grace_s
    draft.change(
        cancelled_at=draft.now,
        grace_by=draft.now + timedelta(seconds=grace_s) if grace_s else None,
    )
    draft.ask(NotifyOperators("cancelled", {"by": by}))
    for each in draft.incident.live():
        draft.ask(TellWorker(each.id, each.worker_id, "cancelled", {}))


def _confirm_cancel(draft: Draft, event: ev.CancelConfirmed) -> Ignore | None:
    if draft.incident.cancelled_at is None:
        return Ignore("not_cancelled")
    draft.record("cancel_confirmed", event.by)
    _shut(draft, event.by, "cancelled")
    return None


def _grace_over(draft: Draft, _event: ev.GraceDue) -> None:
    draft.record("grace_over", "clock")
    _shut(draft, "clock", "cancelled")


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
    is_done = any(each.state is AssignmentState.FINISHED for each in incident.assignments)
    if is_done and incident.policy.close_after_s is not None and wants(incident) == 0:
        _shut(draft, "policy", _last_outcome(incident))
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
    _adopt(draft, event.policy, event.by)
    draft.change(answered_at=answered_at, answered_by=answered_by)  # the one who raises it is at it
    return None


def _note(draft: Draft, event: ev.Noted) -> None:
    draft.record("noted", event.by, note_id=event.note_id)


def _close(draft: Draft, event: ev.Closed) -> Ignore | None:
    if draft.incident.coming():
        return Ignore("workers_still_out")
    _shut(draft, event.by, event.outcome)
    return None


def _shut(draft: Draft, by: str, outcome: str, *, tell: bool = True) -> None:
    draft.end_all("cancelled" if outcome == "cancelled" else "closed")
    if tell:
        draft.tell_callers(Stage.CLOSED)
    draft.change(
        closed_at=draft.now,
        outcome=outcome,
        nobody=False,
        step_due_at=None,
        verify_by=None,
        grace_by=None,
        close_by=None,
    )
    draft.record("closed", by, outcome=outcome)


HANDLERS: dict[Move, Callable[[Draft, Any], Ignore | None]] = {
    Move.JOIN: _join,
    Move.REPEAT: _repeat,
    Move.CANCEL: _cancelled,
    Move.CONFIRM_CANCEL: _confirm_cancel,
    Move.OFFER: workers.offer,
    Move.ANSWER: _answer,
    Move.ASSIGN: workers.assign,
    Move.CLIMB: _climb,
    Move.VERIFIED: _verified,
    Move.GRACE_OVER: _grace_over,
    Move.REMIND: _remind,
    Move.MORE_HANDS: _more_hands,
    Move.RAISE_BAND: _raise_band,
    Move.NOTE: _note,
    Move.CLOSE: _close,
}
