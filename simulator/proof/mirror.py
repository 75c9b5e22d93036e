"""What is durable, looked at after every commit, before anybody else can do anything; and what must hold of it.

One statement brings what changed since the last look and whatever breaks an invariant; nothing of it goes by way of
the service's own memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from dispatch.incident.invariants import violations
from dispatch.incident.states import LIVE, AssignmentState
from dispatch.model import IncidentId
from dispatch.store.incidents import PolicyShelf, read_incidents
from simulator import checks

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import asyncpg

    from dispatch.incident.states import Incident
    from simulator.proof.story import Story

CHANGED = """
    SELECT 'incident' AS what, incident_id::text AS a, NULL AS b, NULL AS c, NULL AS d, due_at AS at
    FROM incident WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'alarm', terminal_id, alarm_id, encode(digest, 'hex'), incident_id::text, NULL
    FROM alarm WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'message', outbox_id::text, state, recipient || ' ' || message, body::text, created_at
    FROM outbox WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'parked', encode(payload, 'hex'), NULL, NULL, NULL, NULL
    FROM parked WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'term', max(term)::text, NULL, NULL, NULL, NULL FROM lease
    UNION ALL SELECT 'horizon', pg_snapshot_xmin(pg_current_snapshot())::text, NULL, NULL, NULL, NULL"""
BROKEN = " ".join(
    f"UNION ALL SELECT 'broken', $a${rule}$a$, found::text, NULL, NULL, NULL FROM ({statement}) AS rule (found)"  # noqa: S608 - our own
    for rule, statement in checks.ALWAYS.items()
)
LOOK = f"{CHANGED} {BROKEN}"


A = AssignmentState
LIFE_AFTER = {A.LAPSED: {A.DECLINED}, A.LOST: {A.EN_ROUTE, A.ON_SCENE}}
"""What may still become of an assignment that has ended; of every other nothing."""


class Mirror:
    """The durable state, as far as promises speak of it. `on_change` hears each changed incident, before and after,
    and who changed it.
    """

    def __init__(
        self,
        eye: asyncpg.Connection[Any],
        story: Story,
        on_change: Callable[[Incident | None, Incident, str], None],
    ) -> None:
        self._eye, self._story, self._on_change = eye, story, on_change
        self._shelf = PolicyShelf()
        self._horizon = 0
        self.incidents: dict[IncidentId, Incident] = {}
        self.alarms: dict[tuple[str, str, str], str | None] = {}
        self.queued: dict[str, datetime] = {}
        """When each message was decided that is not sent yet."""
        self.due: dict[IncidentId, datetime] = {}
        """When the earliest clock of each open incident runs out."""
        self.receipts: dict[tuple[str, str, int, str], float | None] = {}
        """Committed receipts, and how far the clock was ahead by which the leader itself did so; None: another did."""
        self.told: set[str] = set()
        self.parked: set[str] = set()
        self.term = 0
        self.handed: set[tuple[str, str, int, str]] = set()
        """Receipts that some process gave to its link."""
        self.shown: set[str] = set()
        """Workers whose page was shown."""
        self.looks = 0

    async def look(self, who: str, term: int | None, ahead_s: float | None) -> None:
        """See what a commit has changed; `term` is the one it was written under, if it had to be.

        `ahead_s` is how far the clock of the leader is ahead that committed; None if it was not the leader.
        """
        self.looks += 1
        changed: list[IncidentId] = []
        for row in await self._eye.fetch(LOOK, self._horizon):
            if row["what"] == "incident":
                changed.append(IncidentId(UUID(row["a"])))
                self._due(changed[-1], row["at"])
            else:
                self._see(row, ahead_s)
        if changed and term is not None and term != self.term:
            self._story.breach(f"8: {who} wrote under term {term}, and {self.term} had begun")
        if changed:
            for incident in await read_incidents(self._eye, self._shelf, changed):
                self._incident(incident, who)

    def _see(self, row: Any, ahead_s: float | None) -> None:
        match row["what"]:
            case "alarm":
                self.alarms[row["a"], row["b"], row["c"]] = row["d"]
            case "message":
                self._message(row, ahead_s)
            case "parked":
                self.parked.add(row["a"])
            case "term":
                self.term = int(row["a"] or 0)
            case "horizon":
                self._horizon = int(row["a"])
            case "broken":
                self._story.breach(f"{row['a']}: {row['b']}")

    def has_instant_between(self, one: datetime, other: datetime) -> bool:
        """Whether a clock runs out, or a message was decided, after the one instant and not after the other."""
        one, other = min(one, other), max(one, other)
        return any(one < at <= other for many in (self.due, self.queued) for at in many.values())

    def _due(self, incident_id: IncidentId, at: datetime | None) -> None:
        if at is None:
            self.due.pop(incident_id, None)
        else:
            self.due[incident_id] = at

    def _message(self, row: Any, ahead_s: float | None) -> None:
        if row["b"] == "queued":
            self.queued[row["a"]] = row["at"]
        else:
            self.queued.pop(row["a"], None)
        recipient, _, name = row["c"].rpartition(" ")
        if name == "receipt":
            body = msgspec.json.decode(row["d"])
            receipt = recipient, body["alarm_id"], body["n"], body["stage"]
            self.receipts.setdefault(receipt, ahead_s)
            if row["b"] == "sent" and receipt not in self.handed:
                self._story.breach(f"5: recorded as sent and was not: {receipt}")
        else:
            self.told.add(recipient)
            if row["b"] == "sent" and recipient not in self.shown:
                self._story.breach(f"5: recorded as sent and was not: {name} to {recipient}")

    def _incident(self, incident: Incident, who: str) -> None:
        before = self.incidents.get(incident.id)
        if before == incident:
            return
        for broken in violations(before, incident):
            self._story.breach(f"{broken}: {incident.id}")
        for state, now in _changed(before, incident):
            if state not in LIVE and now not in LIFE_AFTER.get(state, ()):
                self._story.breach(f"an assignment of {incident.id} was {state} and is {now}")
        live = ", ".join(f"{each.worker_id} {each.state}" for each in incident.live())
        text = f"{_short(incident)} {incident.state} level {incident.level} [{live}] {incident.outcome or ''}"
        self._story.tell(who, f"committed {text}".rstrip())
        self.incidents[incident.id] = incident
        self._on_change(before, incident, who)


def _changed(before: Incident | None, after: Incident) -> list[tuple[AssignmentState, AssignmentState]]:
    was = {each.id: each.state for each in before.assignments} if before else {}
    return [(was[each.id], each.state) for each in after.assignments if was.get(each.id, each.state) != each.state]


def _short(incident: Incident) -> str:
    return f"{incident.kind} {incident.subject.id} {str(incident.id)[-4:]}"
