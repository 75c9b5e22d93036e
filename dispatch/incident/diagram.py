"""Draws the tables of moves as Mermaid diagrams, for ARCHITECTURE.md: `python -m dispatch.incident.diagram`."""

from __future__ import annotations

from dispatch.incident.events import AssignmentEvent, name_of_kind
from dispatch.incident.states import ASSIGNMENT_MOVES, LIVE, AssignmentState, Stay

FENCE = "```"


def assignment_diagram() -> str:
    """The states of an offer that goes on as the assignment, and the events that move it."""
    lines = [f"{FENCE}mermaid", "stateDiagram-v2", "    direction LR", f"    [*] --> {AssignmentState.OFFERED}"]
    for state, row in ASSIGNMENT_MOVES.items():
        by_target: dict[str, list[str]] = {}
        for event, target in row.items():
            if isinstance(target, AssignmentState):
                by_target.setdefault(target.value, []).append(name_of_kind(event))
            elif target is Stay.REOFFER:
                by_target.setdefault("a new offer", []).append(name_of_kind(event))
        lines += [_arrow(state, target, events) for target, events in by_target.items()]
    lines += [f"    {state} --> [*]" for state in AssignmentState if state not in LIVE and not _moves_on(state)]
    return "\n".join([*lines, FENCE])


def _arrow(state: AssignmentState, target: str, events: list[str]) -> str:
    where = target if target != "a new offer" else AssignmentState.OFFERED.value
    note = " (as a new offer)" if target == "a new offer" else ""
    return f"    {state} --> {where}: {', '.join(events)}{note}"


def _moves_on(state: AssignmentState) -> bool:
    moves: dict[type[AssignmentEvent], object] = dict(ASSIGNMENT_MOVES[state])
    return any(isinstance(target, AssignmentState | Stay) for target in moves.values())


if __name__ == "__main__":
    print(assignment_diagram())  # noqa: T201 - a program for people
