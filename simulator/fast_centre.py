"""The real centre on virtual time: engine, assigner, deadlines, sender and the decoders, on a real database.

Nothing runs by itself but the engine: `settle` has everything done that is to be done now, one thing after the other,
so that the same seed brings the same run. `crash` throws all memory away as a power cut would.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from dispatch.devices import kinds
from dispatch.devices.kinds import Lane
from dispatch.engine import Committed, Engine, Item, Outcome
from dispatch.errors import DispatchError
from dispatch.health.judging import Judging
from dispatch.incident.clocks import due_at
from dispatch.incident.draft import wants
from dispatch.ingest.uses import Housekeeping, Sinks, use_of
from dispatch.notify.channels import Means, open_channels
from dispatch.notify.sender import Sender
from dispatch.router.assigner import Assigner
from dispatch.router.deadlines import Deadlines
from dispatch.store import record, vitals

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from dispatch.clock import VirtualClock
    from dispatch.incident.policy import Policies
    from dispatch.incident.states import Incident
    from dispatch.model import Alarm, IncidentId, TerminalId, Unreadable, Vitals, WorkerId
    from dispatch.store.database import Database


class Centre:
    """One centre, started and crashed at will. `publish` and `show` are the ways down to terminals and phones."""

    def __init__(
        self,
        database: Database,
        clock: VirtualClock,
        policies: Policies,
        publish: Callable[[str, bytes], None],
        show: Callable[[WorkerId], bool],
        on_committed: Callable[[Committed], None],
    ) -> None:
        self._database, self._clock, self._policies = database, clock, policies
        self._publish, self._show, self._on_committed = publish, show, on_committed
        self.incidents: dict[IncidentId, Incident] = {}
        self.crashes = 0
        self._is_doomed = self._is_dead = False

    async def start(self) -> None:
        """Build everything anew, as a fresh process does."""
        self.engine = Engine(self._database, self._clock, self._policies)
        await self.engine.prepare()
        self.assigner = Assigner(self._database, self._clock, self.engine)
        self.deadlines = Deadlines(self._database, self._clock, self.engine)
        means = Means("fast", self._clock.now, self._sent, self.name_of, self._shown)
        self.sender = Sender(self._database, self._clock, open_channels(means))
        self.engine.listen(self._committed)
        await self.sender.catch_up()
        self._has_choices = True
        self._running = asyncio.ensure_future(self.engine.run())
        self._judging = Judging()
        self._use = use_of(Lane.ALARMS, self._sinks(), self._clock)
        self._use_vitals = use_of(Lane.VITALS, self._sinks(), self._clock)

    async def stop(self) -> None:
        """End everything; what is not durable is gone."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.sender.stop()

    async def crash(self) -> None:
        """Lose all memory, and start again."""
        self._is_doomed = self._is_dead = False
        await self.stop()
        self.crashes += 1
        await self.start()

    def crash_at_next_commit(self) -> None:
        """The next commit is made durable and then heard of by nobody: the worst moment there is."""
        self._is_doomed = True

    def name_of(self, worker_id: WorkerId) -> str | None:
        return self.assigner.names.get(worker_id)

    # --- what comes in ------------------------------------------------------------------------------------------------

    async def hear(self, topic: str, payload: bytes) -> None:
        """A message from a terminal, as the broker would hand it over."""
        heard = kinds.decode(topic, payload, self._clock.now())
        await (self._use_vitals if topic.endswith("/vitals") else self._use)(heard)

    async def submit(self, item: Item) -> Outcome | None:
        """Something a person did; None if it was refused."""
        with contextlib.suppress(DispatchError):
            return await self.engine.submit(item)
        return None

    def _sinks(self) -> Sinks:
        return Sinks(
            raise_alarms=self._raise_alarms,
            registered=self._registered,
            judge=self._judge,
            keep_vitals=self._keep_vitals,
            keep_house=_keep_house,
            park=self._park,
        )

    def _judge(self, readings: Sequence[Vitals]) -> Sequence[Alarm]:
        return self._judging.judge_all(readings, {})

    async def _raise_alarms(self, alarms: Sequence[Alarm]) -> None:
        await self.engine.raise_alarms(alarms)

    async def _registered(self, terminal_ids: AbstractSet[TerminalId]) -> AbstractSet[TerminalId]:
        return terminal_ids

    async def _keep_vitals(self, readings: Sequence[Vitals]) -> None:
        async with self._database.connection() as connection:
            await vitals.add(connection, readings)

    async def _park(self, messages: Sequence[Unreadable]) -> None:
        async with self._database.transaction() as connection:
            await record.add_parked(connection, [(self._clock.new_id(), each) for each in messages])

    # --- what goes on -------------------------------------------------------------------------------------------------

    def due_at(self) -> datetime | None:
        """When the centre has something to do by itself; None if nothing is open."""
        return min((at for each in self.incidents.values() if (at := due_at(each)) is not None), default=None)

    async def settle(self) -> None:
        """Do everything that is to be done at this instant."""
        while True:
            if self._is_dead:
                await self.crash()
            did = 0
            if (at := self.due_at()) is not None and at <= self._clock.now():
                did += await self.deadlines.step()
            if self._has_choices:
                self._has_choices = False
                did += await self.assigner.step()
            await self._send()
            if not did and not self._has_choices and not self._is_dead:
                return

    async def _send(self) -> None:
        """Let the sender hand over what it has; what waits for a retry waits on the virtual clock."""
        for _ in range(4):
            await self._clock.sleep(0)
        await self.sender.note_finished()

    def _committed(self, committed: Committed) -> None:
        for part in committed.parts:
            self._remember(part.after)
            was_live = {each.worker_id for each in part.before.live()} if part.before else set()
            if wants(part.after) or was_live - {each.worker_id for each in part.after.live()}:
                self._has_choices = True
        self._on_committed(committed)
        if self._is_doomed:
            self._is_dead = True
            return
        for listener in (self.assigner, self.deadlines, self.sender):
            listener.on_committed(committed)

    def _remember(self, incident: Incident) -> None:
        if incident.closed_at is None:
            self.incidents[incident.id] = incident
        else:
            self.incidents.pop(incident.id, None)

    async def _sent(self, topic: str, payload: bytes, _expiry_s: int) -> None:
        self._publish(topic, payload)

    async def _shown(self, worker_id: WorkerId) -> bool:
        return self._show(worker_id)


async def _keep_house(_heard: Sequence[Housekeeping]) -> None:
    """Nothing is kept of signs of life here."""
