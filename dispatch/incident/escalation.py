"""The ladder: who is told next when nobody has acted, and how grave that makes the call (its level).

Levels are one scale over all ladders and never go down. A step that would tell nobody costs no time. The last step
comes again until somebody acts, so an open call can never fall silent.
"""

from __future__ import annotations

from datetime import timedelta

from dispatch.incident.draft import Draft
from dispatch.incident.effects import CallOutside, NotifyContact, NotifyOperators
from dispatch.incident.policy import OUTSIDE, Policy, Step, Target
from dispatch.incident.states import Incident


def climb(draft: Draft, by: str, reason: str) -> None:
    """Take the next step that tells somebody, at once; `reason` is the code of why."""
    ladder = draft.incident.policy.ladder
    while True:
        index = min(draft.incident.step, len(ladder) - 1)
        step = ladder[index]
        told = _who(step, draft.incident)
        is_last = index == len(ladder) - 1
        if is_last and not told:
            told = (Target.OPERATORS,)
        draft.change(
            step=draft.incident.step + 1,
            level=max(draft.incident.level, step.level),
            step_due_at=draft.now + timedelta(seconds=step.wait_s),
        )
        facts = {"step": index + 1, "level": step.level, "told": list(told), "why": reason}
        draft.record("climbed" if told else "step_empty", by, **facts)
        if told:
            for target in told:
                _tell(draft, target, step.level, reason)
            if Target.OPERATORS not in told:  # somebody must dial where no channel reaches them
                draft.ask(NotifyOperators("reach_by_hand", {"level": step.level, "targets": list(told)}))
            return


def _who(step: Step, incident: Incident) -> tuple[Target, ...]:
    """Those of a step's targets that there is somebody behind; operators and outside services always are."""
    always = {Target.OPERATORS, *OUTSIDE}
    return tuple(target for target in step.tell if target in always or target.value in incident.reachable)


def _tell(draft: Draft, target: Target, level: int, reason: str) -> None:
    if target is Target.OPERATORS:
        draft.ask(NotifyOperators(code="escalated", facts={"level": level, "why": reason}))
    elif target in OUTSIDE:
        draft.ask(CallOutside(service=target.value.removeprefix("outside_"), level=level))
    else:
        draft.ask(NotifyContact(target=target, level=level))


def step_under(policy: Policy, level: int) -> int:
    """Where a call of `level` stands on another policy's ladder: after every step it has already reached."""
    return sum(1 for step in policy.ladder if step.level <= level)


def wait_s(incident: Incident) -> int:
    """Seconds the present step waits for somebody to act (before the first step: the answer clock)."""
    if incident.step == 0:
        return incident.policy.answer_within_s
    return incident.policy.ladder[min(incident.step, len(incident.policy.ladder)) - 1].wait_s
