"""Where everything that is to become durable is handed in; the only writer of incidents in this process.

Alarms, clocks and all else have a line each (`committer`), so that a press waits for no choice and no answer. New calls
and clocks have short ways of their own (`new_calls`, `due_clocks`); everything else is one transaction under locks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

import asyncpg
from msgspec.structs import replace

from dispatch import logs
from dispatch.clock import Clock
from dispatch.crash import crash_at
from dispatch.engine.batch import Batch, Done
from dispatch.engine.committer import Committer, Waiting, needs_lease
from dispatch.engine.due_clocks import DueClocks
from dispatch.engine.items import Committed, FireDue, Happen, Item, OpenByHand, Outcome, RaiseAlarm
from dispatch.engine.new_calls import Homes, NewCalls
from dispatch.engine.turns import Turns
from dispatch.errors import DispatchError, SteppedDown, Unreachable
from dispatch.incident.events import Event
from dispatch.incident.policy import Policies
from dispatch.model import Alarm, HomeId, IncidentId, Key, Place, Unreadable
from dispatch.store import incidents as store
from dispatch.store import record
from dispatch.store.database import Connection, Database
from dispatch.store.incidents import PolicyShelf
from dispatch.store.record import NoteRow, RankingRow

log = logs.get("engine")


class Engine:
    """Makes decisions durable. `term` tells the lease this process holds, None if it does not dispatch.

    `new_calls` are the ways for new calls of quiet homes, `due_clocks` those for clocks that have run out, one for each
    batch of them that may be under way at once. `is_ours` says whether a term is ours beyond doubt: a process that was
    frozen must first ask, or it would write down again what another hears by now.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policies: Policies,
        term: Callable[[], int | None] = lambda: None,
        new_calls: Sequence[Database] = (),
        due_clocks: Sequence[Database] = (),
        is_ours: Callable[[int], bool] = lambda _term: True,
    ) -> None:
        self.policies = policies
        self.shelf = PolicyShelf()
        self._database = database
        self._clock = clock
        self._term = term
        self._is_ours = is_ours
        ways = new_calls or [database]
        self._entangled = Committer(clock, self._commit_entangled, self._park, in_doubt=self._in_doubt)
        self._short_way = NewCalls(ways, self._commit_new_calls, self._entangled.take, self._unsure)
        self._alarms = Committer(clock, self._short_way.commit, self._park, len(ways), self._in_doubt)
        self._turns = Turns()
        ways = due_clocks or [database]
        clocks_way = DueClocks(ways, self._turns, self._commit_due, self._commit_locked)
        self._clocks = Committer(clock, clocks_way.commit, self._park, len(ways), self._in_doubt)
        self._others = Committer(clock, self._commit_locked, self._park, in_doubt=self._in_doubt)
        self._listeners: list[Callable[[Committed], None]] = []
        self._doubters: list[Callable[[], None]] = []

    def listen(self, listener: Callable[[Committed], None], *, is_first: bool = False) -> None:
        """Have `listener` called after every commit. It must not wait for anything.

        Commits of one incident are told in their order. `is_first` puts it before those that listen already.
        """
        self._listeners.insert(0 if is_first else len(self._listeners), listener)

    def listen_to_doubt(self, listener: Callable[[], None]) -> None:
        """Have `listener` called when something may have become durable that no `Committed` will ever tell of."""
        self._doubters.append(listener)

    def _in_doubt(self) -> None:
        for listener in self._doubters:
            listener()

    async def prepare(self) -> None:
        """Keep the policies in force; raises Unreachable while the database is away."""
        async with self._database.transaction() as connection:
            await self.shelf.store(connection, self.policies, self._clock.now())

    # --- what may be handed in ----------------------------------------------------------------------------------

    def submit(self, item: Item) -> asyncio.Future[Outcome]:
        """Hand an item in; the future brings its outcome once that is durable, or the error that refused it."""
        return self._line_of(item).submit(item)

    def _line_of(self, item: Item) -> Committer:
        match item:
            case RaiseAlarm():
                return self._alarms
            case FireDue():
                return self._clocks
            case _:
                return self._others

    async def raise_alarms(self, alarms: Iterable[Alarm], term: int | None = None) -> list[Outcome]:
        """Store alarms; returns when every one is durable, however long the database is away.

        `term` is the lease under which they were heard; when that is over they are another's to store.
        """
        return await asyncio.gather(*(self.submit(RaiseAlarm(alarm, term)) for alarm in alarms))

    async def happen(
        self,
        incident_id: IncidentId,
        event: Event,
        *,
        ranking: RankingRow | None = None,
        note: NoteRow | None = None,
    ) -> Outcome:
        """Something happened to an incident. Raises NotFound, Refused, or Unreachable."""
        return await self.submit(Happen(incident_id, event, ranking, note))

    async def fire_due(self, incident_ids: Iterable[IncidentId]) -> list[Outcome | BaseException]:
        """Fire every clock of these incidents that has run out."""
        fired = (self.submit(FireDue(incident_id)) for incident_id in incident_ids)
        return await asyncio.gather(*fired, return_exceptions=True)

    async def open_by_hand(
        self, by: str, kind: Key, *, home_id: HomeId | None = None, address: str = "", place: Place | None = None
    ) -> Outcome:
        """An operator opens a call. `ignored` is `already_open` if that home has an open one, which is returned."""
        incident_id = IncidentId(self._clock.new_id())
        return await self.submit(OpenByHand(incident_id, by, kind, home_id, address, place))

    @property
    def alarms_waiting(self) -> int:
        """Alarms handed in and not yet taken up."""
        return self._alarms.backlog + self._entangled.backlog

    @property
    def backlog(self) -> int:
        """Items handed in and not yet taken up."""
        return self.alarms_waiting + self._others.backlog + self._clocks.backlog

    # --- committing ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit batch after batch until cancelled."""
        async with asyncio.TaskGroup() as lines:
            lines.create_task(self._alarms.run())
            lines.create_task(self._entangled.run())
            lines.create_task(self._others.run())
            lines.create_task(self._clocks.run())

    async def step(self) -> int:
        """Commit one batch of each line, the alarms first; returns how many items they took."""
        taken = await self._alarms.step()
        await self._entangled.step()
        return taken + await self._others.step() + await self._clocks.step()

    async def settled(self) -> None:
        """Return when everything handed in so far is durable or refused."""
        for line in (self._alarms, self._entangled, self._others, self._clocks):
            await line.settled()

    async def _commit_new_calls(self, connection: Connection, waiting: list[Waiting], homes: Homes) -> None:
        started_s = self._clock.elapsed()
        done = await self._batch(waiting).run_new_calls(connection, homes)
        self._tell(waiting, done, started_s)

    async def _commit_entangled(self, waiting: list[Waiting]) -> None:
        await self._short_way.begun_have_ended()
        await self._commit_locked(waiting)

    async def _commit_due(self, connection: Connection, waiting: list[Waiting]) -> None:
        started_s, term = self._clock.elapsed(), self._term()
        ids = [item.incident_id for item, _ in waiting if isinstance(item, FireDue)]
        incidents = await store.read_incidents(connection, self.shelf, ids)
        done = await self._batch(waiting).run_due(connection, incidents, term)
        self._tell(waiting, done, started_s)

    async def _commit_locked(self, waiting: list[Waiting]) -> None:
        async with self._turns.alone():  # so that what two lines did to one incident is told in its order
            try:
                await self._commit_once(waiting)
            except asyncpg.UniqueViolationError:
                # a new call went in by the short way, which takes no lock, after we had looked: now it is seen
                await self._commit_once(waiting)

    async def _commit_once(self, waiting: list[Waiting]) -> None:
        started_s = self._clock.elapsed()
        is_dispatching = any(needs_lease(item) for item, _ in waiting)
        term = self._term() if is_dispatching else self._unsure(waiting)
        try:
            async with self._database.transaction(term) as connection:
                done = await self._batch(waiting).run(connection)
        except SteppedDown as error:
            if is_dispatching:
                raise
            raise Unreachable("overtaken", **error.params) from error  # whoever leads by now hears these alarms
        self._tell(waiting, done, started_s)

    def _unsure(self, waiting: list[Waiting]) -> int | None:
        """The term under which one of these alarms was heard, if it may be over."""
        terms = (item.term for item, _ in waiting if isinstance(item, RaiseAlarm) and item.term is not None)
        return next((term for term in terms if not self._is_ours(term)), None)

    def _batch(self, waiting: list[Waiting]) -> Batch:
        return Batch([item for item, _ in waiting], self._clock, self.policies, self.shelf)

    def _tell(self, waiting: list[Waiting], done: Done, started_s: float) -> None:
        """Let everybody know what is durable now: who listens, and who handed it in."""
        crash_at("after_commit")
        outcomes, committed = done
        committed = replace(committed, seconds=self._clock.elapsed() - started_s)
        for listener in self._listeners:
            try:
                listener(committed)
            except Exception:
                log.exception("listener_failed", listener=repr(listener))
        for (_, future), outcome in zip(waiting, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, DispatchError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    async def _park(self, alarm: Alarm, error: Exception) -> bool:
        message = Unreadable(
            terminal_id=alarm.terminal_id,
            topic="alarm",
            payload=repr(alarm).encode("utf-8", "backslashreplace"),
            reason="not_storable",
            detail=ascii(error)[:500],
            received_at=alarm.received_at,
        )
        try:
            async with self._database.transaction() as connection:
                await record.add_parked(connection, [(self._clock.new_id(), message)])
        except Exception:  # whatever it was: who calls this keeps the alarm then
            log.exception("not_parked")
            return False
        return True
