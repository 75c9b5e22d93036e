"""What is durable, looked at after every commit, before anybody else can do anything; and what must hold of it.

One statement brings what changed since the last look and whatever breaks an invariant; nothing of it goes by way of
the service's own memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from dispatch.incident.invariants import violations
from dispatch.model import IncidentId
from dispatch.store.incidents import PolicyShelf, read_incidents
from simulator import checks

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg

    from dispatch.incident.states import Incident
    from simulator.proof.story import Story

CHANGED = """
    SELECT 'incident' AS what, incident_id::text AS a, NULL AS b, NULL AS c, NULL AS d
    FROM incident WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'alarm', terminal_id, alarm_id, encode(digest, 'hex'), incident_id::text
    FROM alarm WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'message', outbox_id::text, state, recipient || ' ' || message, body::text
    FROM outbox WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'parked', encode(payload, 'hex'), NULL, NULL, NULL
    FROM parked WHERE xmin::text::bigint >= $1
    UNION ALL SELECT 'horizon', pg_snapshot_xmin(pg_current_snapshot())::text, NULL, NULL, NULL"""
BROKEN = " ".join(
    f"UNION ALL SELECT 'broken', $a${rule}$a$, found::text, NULL, NULL FROM ({statement}) AS rule (found)"  # noqa: S608 - our own
    for rule, statement in checks.ALWAYS.items()
)
LOOK = f"{CHANGED} {BROKEN}"


class Mirror:
    """The durable state, as far as promises speak of it. `on_change` hears each changed incident, before and after."""

    def __init__(
        self,
        eye: asyncpg.Connection[Any],
        story: Story,
        on_change: Callable[[Incident | None, Incident], None],
    ) -> None:
        self._eye, self._story, self._on_change = eye, story, on_change
        self._shelf = PolicyShelf()
        self._horizon = 0
        self.incidents: dict[IncidentId, Incident] = {}
        self.alarms: dict[tuple[str, str, str], str | None] = {}
        self.queued: set[str] = set()
        self.receipts: set[tuple[str, str, int, str]] = set()
        self.told: set[str] = set()
        self.parked: set[str] = set()
        self.looks = 0

    async def look(self, who: str) -> None:
        """See what a commit has changed."""
        self.looks += 1
        changed: list[IncidentId] = []
        for row in await self._eye.fetch(LOOK, self._horizon):
            match row["what"]:
                case "incident":
                    changed.append(IncidentId(UUID(row["a"])))
                case "alarm":
                    self.alarms[row["a"], row["b"], row["c"]] = row["d"]
                case "message":
                    self._message(row)
                case "parked":
                    self.parked.add(row["a"])
                case "horizon":
                    self._horizon = int(row["a"])
                case "broken":
                    self._story.breach(f"{row['a']}: {row['b']}")
        if changed:
            for incident in await read_incidents(self._eye, self._shelf, changed):
                self._incident(incident, who)

    def _message(self, row: Any) -> None:
        if row["b"] == "queued":
            self.queued.add(row["a"])
        else:
            self.queued.discard(row["a"])
        recipient, _, name = row["c"].rpartition(" ")
        if name == "receipt":
            body = msgspec.json.decode(row["d"])
            self.receipts.add((recipient, body["alarm_id"], body["n"], body["stage"]))
        else:
            self.told.add(recipient)

    def _incident(self, incident: Incident, who: str) -> None:
        before = self.incidents.get(incident.id)
        if before == incident:
            return
        for broken in violations(before, incident):
            self._story.breach(f"{broken}: {incident.id}")
        live = ", ".join(f"{each.worker_id} {each.state}" for each in incident.live())
        text = f"{_short(incident)} {incident.state} level {incident.level} [{live}] {incident.outcome or ''}"
        self._story.tell(who, f"committed {text}".rstrip())
        self.incidents[incident.id] = incident
        self._on_change(before, incident)


def _short(incident: Incident) -> str:
    return f"{incident.kind} {incident.subject.id} {str(incident.id)[-4:]}"
