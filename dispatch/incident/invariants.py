"""What must hold of one incident after every decision (DESIGN.md section 4). The database and the simulator hold the
rest: one open incident a home and class, one live assignment a worker.
"""

from __future__ import annotations

from dispatch.incident.clocks import due_at
from dispatch.incident.states import LIVE, Incident


def violations(before: Incident | None, after: Incident) -> list[str]:
    """Every invariant that going from `before` (None: just opened) to `after` breaks; empty when all hold."""
    broken = []
    if (due_at(after) is None) != (after.closed_at is not None):
        broken.append("1: an open incident always has a due_at, a closed one never")
    workers = [each.worker_id for each in after.live()]
    if len(workers) != len(set(workers)):
        broken.append("3: a worker holds at most one live offer or assignment")
    if any((each.due_at is not None) != (each.state in LIVE) for each in after.assignments):
        broken.append("1: exactly the live assignments have a clock")
    if after.closed_at is not None and after.live():
        broken.append("7: a closed incident has no live assignment")
    if before is not None and after.level < before.level:
        broken.append("7: the level never goes down")
    if before is not None and before.closed_at is not None and after != before:
        broken.append("7: a closed incident never changes")
    return broken
