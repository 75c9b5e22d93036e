"""What happens to offers and assignments: asked, accepted, on the way, at the door, done, or gone silent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from dispatch.incident import events as ev
from dispatch.incident.draft import Draft, attending, wants
from dispatch.incident.effects import NotifyOperators, RaiseIncident, SendOffer, Stage, TellWorker
from dispatch.incident.escalation import climb
from dispatch.incident.states import LIVE, Assignment, AssignmentState, Ignore, Stay
from dispatch.model import Key


def offer(draft: Draft, event: ev.WorkersChosen) -> Ignore | None:
    """Offer the call to the best of the router's picks, as many as are wanted; without one, be loud."""
    wanted = wants(draft.incident)
    busy_here = {each.worker_id for each in draft.incident.live()}
    picks = [pick for pick in event.picks if pick.worker_id not in busy_here][:wanted]
    if wanted == 0:
        return Ignore("nobody_wanted")
    for pick in picks:
        ask(draft, pick, "router")
    if len(picks) < wanted and not event.dropped:
        return _nobody(draft, event)
    return None


def _nobody(draft: Draft, event: ev.WorkersChosen) -> Ignore | None:
    if draft.incident.nobody and not draft.incident.live():
        return Ignore("nobody_free")
    draft.change(nobody=True)
    draft.record("nobody_free", "router", counts=event.counts, offers_out=len(draft.incident.live()))
    if not draft.incident.live():
        draft.ask(NotifyOperators("nobody_free", {"counts": event.counts}))
        climb(draft, "router", "nobody_free")
    return None


def ask(draft: Draft, pick: ev.Pick, by: str) -> None:
    """Put the call to one worker, with a clock."""
    respond_by = draft.now + timedelta(seconds=draft.incident.policy.accept_within_s)
    draft.put(
        Assignment(
            id=pick.offer_id,
            worker_id=pick.worker_id,
            state=AssignmentState.OFFERED,
            offered_at=draft.now,
            due_at=respond_by,
            eta_s=pick.eta_s,
            offered_by=by,
            skills=pick.skills,
        )
    )
    facts = {"offer_id": pick.offer_id, "worker_id": pick.worker_id, "eta_s": pick.eta_s, "respond_by": respond_by}
    draft.record("offered", by, **facts)
    draft.ask(SendOffer(pick.offer_id, pick.worker_id, respond_by))


def assign(draft: Draft, event: ev.OperatorAssigned) -> Ignore | None:
    """Offer the call to the one worker an operator chose, beside whoever is asked already."""
    if any(each.worker_id == event.pick.worker_id for each in draft.incident.live()):
        return Ignore("already_offered")
    if attending(draft.incident) >= draft.incident.hands:
        draft.change(hands=attending(draft.incident) + 1)
    ask(draft, event.pick, event.by)
    return None


def move(
    draft: Draft, assignment: Assignment, event: ev.AssignmentEvent, target: AssignmentState | Stay
) -> Ignore | None:
    """Do what the table of moves allows."""
    if target is Stay.REOFFER:
        assert isinstance(event, ev.OfferAccepted)
        return _reoffer(draft, assignment, event)
    if getattr(event, "is_busy", False):
        return Ignore("busy_elsewhere")
    if target in LIVE and assignment.state not in LIVE:
        _supersede(draft, assignment)
    return HANDLERS[type(event)](draft, assignment, event)


def _supersede(draft: Draft, revived: Assignment) -> None:
    """Who was given up as lost and sets off or arrives after all is not also asked anew."""
    for other in draft.incident.live():
        if other.worker_id == revived.worker_id:
            draft.record("withdrawn", "rules", offer_id=other.id, worker_id=other.worker_id, reason="superseded")
            draft.end(other, AssignmentState.WITHDRAWN, "superseded")


def _seen(draft: Draft, assignment: Assignment, event: ev.OfferSeen) -> Ignore | None:
    if assignment.seen_at is not None:
        return Ignore("already_seen")
    draft.put(replace(assignment, seen_at=draft.now))
    draft.record("offer_seen", event.by, offer_id=assignment.id)
    return None


def _accepted(draft: Draft, assignment: Assignment, event: ev.OfferAccepted) -> None:
    accepted = replace(
        assignment,
        state=AssignmentState.ACCEPTED,
        accepted_at=draft.now,
        overdue=0,
        due_at=draft.now + timedelta(seconds=draft.incident.policy.depart_within_s),
    )
    draft.put(accepted)
    facts = {"offer_id": assignment.id, "worker_id": assignment.worker_id, "eta_s": assignment.eta_s}
    draft.record("offer_accepted", event.by, **facts)
    if _lacks_what_another_has(draft, accepted):
        draft.change(hands=draft.incident.hands + 1)
        draft.record("skills_missing", "rules", worker_id=accepted.worker_id, skills=list(draft.incident.policy.skills))
    if attending(draft.incident) >= draft.incident.hands:
        _withdraw_offers(draft, "answered")
    draft.tell_callers(Stage.ASSIGNED, accepted)


def _lacks_what_another_has(draft: Draft, accepted: Assignment) -> bool:
    """Whether somebody without the needed skills said yes first while somebody who has them is still asked."""
    needed = set(draft.incident.policy.skills)
    with_skills = [each for each in draft.incident.live() if needed <= set(each.skills)]
    return not needed <= set(accepted.skills) and {each.state for each in with_skills} == {AssignmentState.OFFERED}


def _withdraw_offers(draft: Draft, reason: str) -> None:
    for other in draft.incident.live():
        if other.state is AssignmentState.OFFERED:
            draft.record("withdrawn", "rules", offer_id=other.id, worker_id=other.worker_id, reason=reason)
            draft.end(other, AssignmentState.WITHDRAWN, reason)


def _reoffer(draft: Draft, assignment: Assignment, event: ev.OfferAccepted) -> Ignore | None:
    """A yes that came too late: if the call still lacks somebody, ask that worker anew, with one tap."""
    if event.is_busy:
        return Ignore("busy_elsewhere")
    if attending(draft.incident) >= draft.incident.hands:
        return Ignore("taken_by_other")
    if any(each.worker_id == assignment.worker_id for each in draft.incident.live()):
        return Ignore("offer_open")
    if wants(draft.incident) == 0 and not draft.incident.live():
        return Ignore("nobody_wanted")
    draft.record("stale_accept", event.by, offer_id=assignment.id, state=assignment.state.value)
    ask(draft, ev.Pick(event.new_offer_id, assignment.worker_id, assignment.eta_s, skills=assignment.skills), "rules")
    return None


def _declined(draft: Draft, assignment: Assignment, event: ev.OfferDeclined) -> None:
    gave_back = assignment.state in LIVE and assignment.state is not AssignmentState.OFFERED
    draft.end(assignment, AssignmentState.DECLINED, event.reason, tell=False)
    facts = {"offer_id": assignment.id, "worker_id": assignment.worker_id, "reason": event.reason}
    draft.record("given_back" if gave_back else "offer_declined", event.by, **facts)
    if gave_back:
        draft.ask(NotifyOperators("given_back", {"worker_id": assignment.worker_id}))


def _lapsed(draft: Draft, assignment: Assignment, event: ev.OfferLapsed) -> None:
    draft.end(assignment, AssignmentState.LAPSED, "lapsed")
    seen = assignment.seen_at is not None
    draft.record("offer_lapsed", event.by, offer_id=assignment.id, worker_id=assignment.worker_id, seen=seen)


def _released(draft: Draft, assignment: Assignment, event: ev.Released) -> None:
    draft.end(assignment, AssignmentState.WITHDRAWN, "released")
    draft.record("released", event.by, offer_id=assignment.id, worker_id=assignment.worker_id)


def _departed(draft: Draft, assignment: Assignment, event: ev.Departed) -> None:
    arrive_by = max(
        draft.incident.opened_at + timedelta(seconds=draft.incident.policy.arrive_within_s),
        draft.now + timedelta(seconds=60 + assignment.eta_s * 3 // 2),
    )
    departed = replace(
        assignment,
        state=AssignmentState.EN_ROUTE,
        accepted_at=assignment.accepted_at or draft.now,
        departed_at=draft.now,
        ended_at=None,
        end_reason=None,
        overdue=0,
        due_at=arrive_by,
    )
    draft.put(departed)
    draft.record("departed", event.by, offer_id=assignment.id, worker_id=assignment.worker_id)
    draft.tell_callers(Stage.DEPARTED, departed)


def _depart_overdue(draft: Draft, assignment: Assignment, event: ev.DepartOverdue) -> None:
    if assignment.overdue:
        _lost(draft, assignment, ev.WorkerLost(assignment.id, event.by, "not_departed"))
        return
    answer_by = draft.now + timedelta(seconds=draft.incident.policy.accept_within_s)
    draft.put(replace(assignment, overdue=1, due_at=answer_by))
    draft.record("depart_overdue", event.by, offer_id=assignment.id, worker_id=assignment.worker_id)
    draft.ask(TellWorker(assignment.id, assignment.worker_id, "have_you_departed", {"answer_by": answer_by}))


def _arrived(draft: Draft, assignment: Assignment, event: ev.Arrived) -> None:
    """At the door. Somebody declared lost who arrives after all has arrived.

    The second worker who was asked because this one was late is not needed any more, unless on the way already.
    """
    arrived = replace(
        assignment,
        state=AssignmentState.ON_SCENE,
        arrived_at=draft.now,
        accepted_at=assignment.accepted_at or draft.now,
        ended_at=None,
        end_reason=None,
        overdue=0,
        due_at=draft.now + timedelta(seconds=draft.incident.policy.check_every_s),
    )
    draft.put(arrived)
    draft.record("arrived", event.by, offer_id=assignment.id, worker_id=assignment.worker_id)
    if assignment.state is AssignmentState.EN_ROUTE and assignment.overdue:
        draft.change(hands=max(draft.incident.hands - 1, attending(draft.incident)))
    if attending(draft.incident) >= draft.incident.hands:
        _withdraw_offers(draft, "answered")
    draft.tell_callers(Stage.ARRIVED, arrived)


def _arrive_overdue(draft: Draft, assignment: Assignment, event: ev.ArriveOverdue) -> None:
    """Late at the door: the operator is told, and a second worker is asked, once."""
    if assignment.overdue == 0:
        draft.change(hands=draft.incident.hands + 1)
    remind_at = draft.now + timedelta(seconds=draft.incident.policy.remind_every_s)
    draft.put(replace(assignment, overdue=assignment.overdue + 1, due_at=remind_at))
    draft.record("arrive_overdue", event.by, offer_id=assignment.id, worker_id=assignment.worker_id)
    draft.ask(NotifyOperators("arrive_overdue", {"worker_id": assignment.worker_id}))
    draft.ask(TellWorker(assignment.id, assignment.worker_id, "are_you_there", {}))


def _checked_in(draft: Draft, assignment: Assignment, event: ev.CheckedIn) -> None:
    check_at = draft.now + timedelta(seconds=draft.incident.policy.check_every_s)
    draft.put(replace(assignment, overdue=0, due_at=check_at))
    draft.record("checked_in", event.by, offer_id=assignment.id, worker_id=assignment.worker_id)


def _check_overdue(draft: Draft, assignment: Assignment, event: ev.CheckOverdue) -> None:
    """The safety question; when it stays unanswered, a call about the worker."""
    policy, facts = draft.incident.policy, {"offer_id": assignment.id, "worker_id": assignment.worker_id}
    if assignment.overdue == 0:
        due_at = draft.now + timedelta(seconds=policy.check_answer_within_s)
        draft.record("check_asked", event.by, **facts)
        draft.ask(TellWorker(assignment.id, assignment.worker_id, "are_you_safe", {"answer_by": due_at}))
    else:
        due_at = draft.now + timedelta(seconds=policy.remind_every_s)
        draft.record("check_unanswered", event.by, **facts)
        draft.ask(NotifyOperators("check_unanswered", {"worker_id": assignment.worker_id}))
        if assignment.overdue == 1:  # once a silence: whoever closes that call has looked after the worker
            draft.ask(RaiseIncident(assignment.worker_id, Key.WORKER_SAFETY))
    draft.put(replace(assignment, overdue=assignment.overdue + 1, due_at=due_at))


def _finished(draft: Draft, assignment: Assignment, event: ev.AssignmentFinished) -> None:
    draft.end(assignment, AssignmentState.FINISHED, event.outcome, tell=False)
    facts = {"offer_id": assignment.id, "worker_id": assignment.worker_id, "outcome": event.outcome}
    draft.record("finished", event.by, **facts)


def _lost(draft: Draft, assignment: Assignment, event: ev.WorkerLost) -> None:
    draft.end(assignment, AssignmentState.LOST, event.reason)
    facts = {"offer_id": assignment.id, "worker_id": assignment.worker_id, "reason": event.reason}
    draft.record("worker_lost", event.by, **facts)
    draft.ask(NotifyOperators("worker_lost", {"worker_id": assignment.worker_id}))


HANDLERS: dict[type[ev.AssignmentEvent], Callable[[Draft, Assignment, Any], Ignore | None]] = {
    ev.OfferSeen: _seen,
    ev.OfferAccepted: _accepted,
    ev.OfferDeclined: _declined,
    ev.OfferLapsed: _lapsed,
    ev.Released: _released,
    ev.Departed: _departed,
    ev.DepartOverdue: _depart_overdue,
    ev.Arrived: _arrived,
    ev.ArriveOverdue: _arrive_overdue,
    ev.CheckedIn: _checked_in,
    ev.CheckOverdue: _check_overdue,
    ev.AssignmentFinished: _finished,
    ev.WorkerLost: _lost,
}
