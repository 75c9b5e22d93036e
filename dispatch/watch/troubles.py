"""The centre's own troubles as incidents: opened when one begins, closed by themselves when it has passed.

What should stand is compared with what does stand in the database, again and again, so that neither a restart nor a
change of the leader leaves one behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping
from typing import Any, Protocol

from dispatch.clock import Clock
from dispatch.engine import Item, Outcome, RaiseByService
from dispatch.incident import events as ev
from dispatch.incident.states import Subject, SubjectKind
from dispatch.model import IncidentId, Key
from dispatch.store import audit
from dispatch.store.database import Connection

KINDS = (Key.AUDITOR, Key.CANARY, Key.NO_BOARD, Key.NOBODY_ANSWERS)
AGAIN_AFTER_S = 600.0
"""An operator who closes a trouble that goes on has this long until it is opened again."""
PASSED = "passed"


class Decides(Protocol):
    """The part of the engine that is needed here."""

    def submit(self, item: Item) -> Awaitable[Outcome]:
        """Hand an item in."""

    def happen(self, incident_id: IncidentId, event: ev.Event) -> Awaitable[Outcome]:
        """Something happened to an incident."""


class Troubles:
    """Brings the open incidents about the centre itself in line with what is wrong now."""

    def __init__(self, engine: Decides, clock: Clock, centre_id: str) -> None:
        self._engine = engine
        self._clock = clock
        self._subject_of = {kind: f"{centre_id}/{kind.value}" for kind in KINDS}
        self._raised_s: dict[Key, float] = {}

    async def stand(self, connection: Connection) -> dict[Key, IncidentId]:
        """Those that stand as open incidents. Raises Unreachable."""
        found = await audit.open_troubles(connection, self._subject_of.values())
        return {kind: found[subject] for kind, subject in self._subject_of.items() if subject in found}

    async def settle(
        self, standing: Mapping[Key, IncidentId], wrong: Mapping[Key, dict[str, Any]], passed: Collection[Key]
    ) -> None:
        """Open what is wrong and does not stand, with its facts; close what has `passed`. Raises Unreachable."""
        for kind in self._raised_s.keys() - wrong.keys():
            del self._raised_s[kind]
        for kind, facts in wrong.items():
            if kind not in standing and self._may_raise(kind):
                subject = Subject(SubjectKind.CENTRE, self._subject_of[kind])
                await self._engine.submit(RaiseByService(kind, subject, facts))
                self._raised_s[kind] = self._clock.elapsed()
        for kind, incident_id in standing.items():
            if kind in passed:
                await self._engine.happen(incident_id, ev.Closed("service", PASSED))

    def _may_raise(self, kind: Key) -> bool:
        raised_s = self._raised_s.get(kind)
        return raised_s is None or self._clock.elapsed() - raised_s >= AGAIN_AFTER_S
