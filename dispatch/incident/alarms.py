"""What a terminal's further words do to an open call: joining, graver kinds, repeats and cancels. Pure."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from dispatch.incident import events as ev
from dispatch.incident.closing import shut
from dispatch.incident.draft import Draft, callers_with
from dispatch.incident.effects import NotifyOperators, Stage, TellWorker
from dispatch.incident.escalation import step_under
from dispatch.incident.policy import OfferWhen, Policy
from dispatch.incident.states import AssignmentState, Ignore
from dispatch.model import TerminalId


def join(draft: Draft, event: ev.AlarmRaised) -> None:
    """Another alarm of the same home: it is heard, may make the call graver, and may need somebody anew."""
    incident = draft.incident
    draft.change(callers=callers_with(incident, event), alarms=incident.alarms + 1)
    draft.record(
        "alarm_joined", event.terminal_id, alarm_id=event.alarm_id, kind=event.kind.value, flaws=list(event.flaws)
    )
    draft.ask(NotifyOperators("pressed_again", {"kind": event.kind.value}))
    if not event.cancel_ids and incident.cancelled_at is not None:
        draft.change(cancelled_at=None, grace_by=None)
        draft.record("cancel_overruled", event.terminal_id, alarm_id=event.alarm_id)
    if event.policy.band < incident.band:
        adopt(draft, event.policy, event.terminal_id)
    if not event.cancel_ids:
        _need_again(draft)
    draft.receipt(event.terminal_id, event.alarm_id, Stage.STORED)
    draft.present_stage(event.terminal_id, event.alarm_id)
    take_back(draft, event.terminal_id, event.alarm_id, event.cancel_ids)


def _need_again(draft: Draft) -> None:
    """Whoever came has gone again, and now somebody calls anew: a person answers, and a worker goes, as at first."""
    incident, policy = draft.incident, draft.incident.policy
    finished = sum(1 for each in incident.assignments if each.state is AssignmentState.FINISHED)
    if not finished or incident.coming():
        return
    waits = policy.offer is OfferWhen.AFTER_ANSWER
    answer_by = draft.now + timedelta(seconds=policy.answer_within_s)
    draft.change(
        hands=max(incident.hands, finished + policy.hands),
        answered_at=None,
        answered_by=None,
        answer_by=answer_by,
        step_due_at=answer_by,
        verify_by=draft.now + timedelta(seconds=policy.verify_within_s) if waits else None,
        close_by=None,
    )
    draft.record("needed_again", "rules")


def adopt(draft: Draft, policy: Policy, by: str) -> None:
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


def repeat(draft: Draft, event: ev.AlarmRepeated | ev.AlarmCancelled) -> None:
    """The terminal has not heard us: say it again, and how far the call is; nothing else changes.

    A closed call keeps its number of receipts, since it never changes: what is said of it again has the same numbers.
    """
    incident = draft.incident
    is_cancel = isinstance(event, ev.AlarmCancelled) or event.is_cancel
    message_id = event.cancel_id if isinstance(event, ev.AlarmCancelled) else event.alarm_id
    draft.record(ev.name_of(event), event.terminal_id, alarm_id=event.alarm_id)
    draft.receipt(event.terminal_id, message_id, Stage.STORED)
    if is_cancel:
        draft.receipt(event.terminal_id, message_id, Stage.CANCELLED)
    elif incident.closed_at is None:
        draft.present_stage(event.terminal_id, message_id)
    if incident.closed_at is not None:
        draft.receipt(event.terminal_id, message_id, Stage.TESTED if incident.outcome == "test" else Stage.CLOSED)
        draft.incident = incident


def cancelled(draft: Draft, event: ev.AlarmCancelled) -> None:
    """The terminal takes one alarm back."""
    draft.record("alarm_cancelled", event.terminal_id, alarm_id=event.alarm_id)
    draft.receipt(event.terminal_id, event.cancel_id, Stage.STORED)
    take_back(draft, event.terminal_id, event.alarm_id, (event.cancel_id,))


def take_back(draft: Draft, terminal_id: TerminalId, alarm_id: str, cancel_ids: tuple[str, ...]) -> None:
    """Cancels of one alarm: the call is cancelled only when everybody who calls has taken it back."""
    if not cancel_ids:
        return
    callers = tuple(
        replace(each, is_cancelled=True) if (each.terminal_id, each.alarm_id) == (terminal_id, alarm_id) else each
        for each in draft.incident.callers
    )
    draft.change(callers=callers)
    if all(each.is_cancelled for each in callers):
        _cancel(draft, terminal_id)
    else:
        draft.ask(NotifyOperators("one_cancelled", {"by": terminal_id}))
    for cancel_id in cancel_ids:
        draft.receipt(terminal_id, cancel_id, Stage.CANCELLED)


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


def confirm_cancel(draft: Draft, event: ev.CancelConfirmed) -> Ignore | None:
    """A person says that the cancel was meant."""
    if draft.incident.cancelled_at is None:
        return Ignore("not_cancelled")
    draft.record("cancel_confirmed", event.by)
    shut(draft, event.by, "cancelled")
    return None


def grace_over(draft: Draft, _event: ev.GraceDue) -> None:
    """Nobody has objected to the cancel."""
    draft.record("grace_over", "clock")
    shut(draft, "clock", "cancelled")
