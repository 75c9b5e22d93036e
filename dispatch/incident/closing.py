"""How a call ends: nobody is left out, every terminal that called hears it, and no clock runs on. Pure."""

from __future__ import annotations

from dispatch.incident.draft import Draft, attending
from dispatch.incident.effects import Stage
from dispatch.incident.states import AssignmentState, Incident


def shut(draft: Draft, by: str, outcome: str, *, tell: bool = True) -> None:
    """Close the call, withdrawing whoever is still asked; `tell` False where the terminals have heard already."""
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


def is_done(incident: Incident) -> bool:
    """Whether everybody who was wanted has come and finished."""
    has_finished = any(each.state is AssignmentState.FINISHED for each in incident.assignments)
    return has_finished and not incident.live() and attending(incident) >= incident.hands


def last_outcome(incident: Incident) -> str:
    """What the worker who finished last said of it."""
    done = [each for each in incident.assignments if each.state is AssignmentState.FINISHED]
    return (done[-1].end_reason if done else None) or "finished"
