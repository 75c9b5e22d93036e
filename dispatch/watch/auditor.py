"""The auditor: checks that every open incident has a live deadline, and that nothing due is left unfired.

It trusts no loop and no memory of ours: it reads what is stored, each second, and says what is wrong as codes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from dispatch.store import audit
from dispatch.store.database import Connection

TOLERANCE_S = 1.0
"""What we promise: a deadline fires within a second of its time, or of our beginning to lead."""


class Verdict(msgspec.Struct, frozen=True):
    """What one look found. `late_s`: for how long, of the time we could fire it, the earliest clock is late."""

    unfired: int = 0
    late_s: float = 0.0
    astray: int = 0
    first_astray: str | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """What is wrong: `unfired`, `astray`; empty is happy."""
        return (("unfired",) if self.unfired else ()) + (("astray",) if self.astray else ())

    def say(self) -> str:
        """For `/readyz` and the log: codes and numbers."""
        unfired = f"unfired {self.unfired}, {self.late_s:.1f} s late" if self.unfired else ""
        astray = f"astray {self.astray}, incident {self.first_astray}" if self.astray else ""
        return "; ".join(part for part in (unfired, astray) if part)


def judge(found: audit.Unfired, calls: audit.OpenCalls, now: datetime, able_for_s: float) -> Verdict:
    """What the figures mean, if we have been able to fire clocks for so many seconds."""
    late_s = (now - found.earliest_at).total_seconds() if found.earliest_at else 0.0
    late_s = max(0.0, min(late_s, able_for_s))
    unfired = found.unfired if late_s > TOLERANCE_S else 0
    return Verdict(unfired, late_s, calls.astray, calls.first_astray)


class Auditor:
    """Looks at the clocks each time it is asked; `calls` is its last look at every open incident."""

    def __init__(self) -> None:
        self.calls = audit.OpenCalls(0, 0, None, None, None)

    async def look(self, connection: Connection, now: datetime, able_for_s: float, *, is_thorough: bool) -> Verdict:
        """One look; a thorough one reads every open incident. Raises Unreachable."""
        if is_thorough:
            self.calls = await audit.open_calls(connection)
        found = await audit.unfired(connection, now - timedelta(seconds=TOLERANCE_S))
        return judge(found, self.calls, now, able_for_s)
