"""The clocks of an incident: which run, when the earliest runs out, what that brings, and which follow from a change.

`due_at` and `due_event` play the part of a timer: whoever runs the rules sleeps until the one and feeds back the other.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatch.incident import events as ev
from dispatch.incident.closing import is_done, last_outcome, shut
from dispatch.incident.draft import Draft, is_unmet, wants
from dispatch.incident.escalation import wait_s
from dispatch.incident.states import AssignmentState, Incident

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
    earliest: datetime | None = None
    for at in (incident.verify_by, incident.grace_by, incident.step_due_at, incident.close_by):
        if at is not None and (earliest is None or at < earliest):
            earliest = at
    for each in incident.assignments:
        if each.due_at is not None and (earliest is None or each.due_at < earliest):
            earliest = each.due_at
    return earliest


def due_event(incident: Incident) -> ev.Event | None:
    """What happens when the earliest clock runs out."""
    clocks = _clocks(incident)
    return min(clocks, key=lambda clock: clock[0])[1] if clocks else None


def settle(draft: Draft, before: int) -> None:
    """Start and stop the clocks that follow from where everything now stands; `before`: how many were wanted."""
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
    done = is_done(incident)
    if done and incident.policy.close_after_s == 0:
        shut(draft, "policy", last_outcome(incident))
    elif done and incident.close_by is None:
        seconds = incident.policy.close_after_s or incident.policy.remind_every_s
        draft.change(close_by=draft.now + timedelta(seconds=seconds))
    elif not done and incident.close_by is not None:
        draft.change(close_by=None)
    if draft.incident.closed_at is None and due_at(draft.incident) is None:
        draft.change(close_by=draft.now + timedelta(seconds=incident.policy.remind_every_s))
