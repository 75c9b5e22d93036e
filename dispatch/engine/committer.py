"""Gathers what is handed in into batches and commits each; the only writer of incidents in this process.

Whatever arrives while one batch commits forms the next, so a quiet centre commits each press by itself and a flooded
one commits hundreds at once. A batch that a single bad item spoils is done again by halves until that item stands
alone. While the database is away alarms wait here (unacknowledged to the broker); people are told at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from dispatch import logs
from dispatch.clock import Clock
from dispatch.engine.batch import Batch
from dispatch.engine.items import Committed, FireDue, Happen, Item, OpenByHand, Outcome, RaiseAlarm
from dispatch.errors import DispatchError, SteppedDown, Unreachable
from dispatch.incident.events import Event, WorkersChosen
from dispatch.incident.policy import Policies
from dispatch.model import Alarm, HomeId, IncidentId, Key, Origin, Place, Unreadable
from dispatch.store import record
from dispatch.store.database import Database, away
from dispatch.store.incidents import PolicyShelf
from dispatch.store.record import NoteRow, RankingRow

BATCH_MAX = 500
RETRY_AFTER_S = 0.2
RETRY_AFTER_S_MAX = 2.0
log = logs.get("engine")
Waiting = tuple[Item, "asyncio.Future[Outcome]"]


class Engine:
    """Makes decisions durable. `term` tells the lease this process holds, None if it does not dispatch."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        policies: Policies,
        term: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.policies = policies
        self.shelf = PolicyShelf()
        self._database = database
        self._clock = clock
        self._term = term
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._listeners: list[Callable[[Committed], None]] = []
        self._retry_after_s = 0.0

    def listen(self, listener: Callable[[Committed], None], *, is_first: bool = False) -> None:
        """Have `listener` called after every commit, in commit order. It must not wait for anything.

        `is_first` puts it before those that listen already.
        """
        self._listeners.insert(0 if is_first else len(self._listeners), listener)

    async def prepare(self) -> None:
        """Keep the policies in force; raises Unreachable while the database is away."""
        async with self._database.transaction() as connection:
            await self.shelf.store(connection, self.policies, self._clock.now())

    # --- what may be handed in ----------------------------------------------------------------------------------

    def submit(self, item: Item) -> asyncio.Future[Outcome]:
        """Hand an item in; the future brings its outcome once that is durable, or the error that refused it."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((item, future))
        self._arrived.set()
        self._idle.clear()
        return future

    async def raise_alarms(self, alarms: Iterable[Alarm]) -> list[Outcome]:
        """Store alarms; returns when every one is durable, however long the database is away."""
        return await asyncio.gather(*(self.submit(RaiseAlarm(alarm)) for alarm in alarms))

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
    def backlog(self) -> int:
        """Items handed in and not yet decided."""
        return len(self._queue)

    # --- committing ---------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Commit batch after batch until cancelled."""
        while True:
            await self._arrived.wait()
            await self.step()
            if self._retry_after_s:
                await self._clock.sleep(self._retry_after_s + self._clock.jitter(self._retry_after_s))

    async def step(self) -> int:
        """Commit one batch of what is waiting; returns how many items it took."""
        batch = [self._queue.popleft() for _ in range(min(BATCH_MAX, len(self._queue)))]
        if not self._queue:
            self._arrived.clear()
        batch = [waiting for waiting in batch if not waiting[1].done()]
        if batch:
            await self._commit(batch)
        if not self._queue:
            self._idle.set()
        return len(batch)

    async def settled(self) -> None:
        """Return when everything handed in so far is durable or refused."""
        await self._idle.wait()

    async def _commit(self, batch: list[Waiting]) -> None:
        """Commit a batch, by halves where something in it cannot be stored; if cancelled, what is left goes back."""
        left = deque([batch])
        try:
            while left:
                await self._commit_first(left)
        except asyncio.CancelledError:
            self._give_back([waiting for part in left for waiting in part])
            raise

    async def _commit_first(self, left: deque[list[Waiting]]) -> None:
        """Commit the first of the parts that are left; its halves take its place if something in it spoils it."""
        part, instead = left[0], list[list[Waiting]]()
        try:
            await self._commit_whole([item for item, _ in part], [future for _, future in part])
        except Unreachable as error:
            self._wait_for_database([waiting for each in left for waiting in each], error)
            left.clear()
            return
        except SteppedDown as error:
            self._step_down(part, error)
        except Exception as error:  # noqa: BLE001 - whatever one bad item raises must not stop the others
            middle = len(part) // 2
            instead = [part[:middle], part[middle:]] if middle else await self._set_aside(*part[0], error)
        left.popleft()
        left.extendleft(reversed(instead))

    async def _commit_whole(self, items: list[Item], futures: list[asyncio.Future[Outcome]]) -> None:
        started = self._clock.elapsed()
        term = self._term() if any(map(_needs_lease, items)) else None
        async with self._database.transaction(term) as connection:
            outcomes, committed = await Batch(items, self._clock, self.policies, self.shelf).run(connection)
        self._retry_after_s = 0.0
        self._tell(replace(committed, seconds=self._clock.elapsed() - started))
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, DispatchError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _tell(self, committed: Committed) -> None:
        for listener in self._listeners:
            try:
                listener(committed)
            except Exception:
                log.exception("listener_failed", listener=repr(listener))

    def _wait_for_database(self, batch: list[Waiting], error: Unreachable) -> None:
        """Alarms stay and are tried again; people and loops hear at once that it could not be done."""
        self._retry_after_s = min(RETRY_AFTER_S_MAX, (self._retry_after_s or RETRY_AFTER_S / 2) * 2)
        log.warning("database_away", items=len(batch), retry_after_s=self._retry_after_s, **error.params)
        self._give_back([waiting for waiting in batch if isinstance(waiting[0], RaiseAlarm)])
        _fail([waiting for waiting in batch if not isinstance(waiting[0], RaiseAlarm)], error)

    def _step_down(self, batch: list[Waiting], error: SteppedDown) -> None:
        """What only a dispatcher may write is dropped (the new one does it); the rest is tried again without it."""
        log.error("stepped_down", **error.params)
        _fail([waiting for waiting in batch if _needs_lease(waiting[0])], error)
        self._give_back([waiting for waiting in batch if not _needs_lease(waiting[0])])

    def _give_back(self, batch: list[Waiting]) -> None:
        self._queue.extendleft(reversed(batch))
        if self._queue:
            self._arrived.set()

    async def _set_aside(self, item: Item, future: asyncio.Future[Outcome], error: Exception) -> list[list[Waiting]]:
        """One item that cannot be stored: an alarm still becomes a call, from its topic alone, and is parked.

        Returns what is to be tried instead. If it cannot even be parked it is not the alarm's fault, and it waits.
        """
        log.error("item_set_aside", item=type(item).__name__, **_named(item), error=repr(error), exc_info=error)
        if not isinstance(item, RaiseAlarm):
            _fail([(item, future)], error)
        elif not await self._park(item.alarm, error):
            self._wait_for_database([(item, future)], away(error))
        elif item.alarm.key is not Key.UNREADABLE:
            return [[(RaiseAlarm(_bare(item.alarm)), future)]]
        elif not future.done():
            future.set_result(Outcome(None, ignored="parked"))
        return []

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


def _named(item: Item) -> dict[str, str]:
    """What a line of the log calls an item: its incident, or the terminal that called."""
    if isinstance(item, RaiseAlarm):
        return {"terminal_id": ascii(item.alarm.terminal_id)}
    return {"incident_id": str(getattr(item, "incident_id", ""))}


def _bare(alarm: Alarm) -> Alarm:
    """What can always be stored of an alarm: that this terminal called, urgently, and that we could not read it."""
    return Alarm(
        terminal_id=alarm.terminal_id,
        alarm_id=f"unreadable-{alarm.digest.hex()[:16]}",
        key=Key.UNREADABLE,
        received_at=alarm.received_at,
        digest=alarm.digest,
        flaws=("not_storable",),
        origin=Origin.TERMINAL,
    )


def _needs_lease(item: Item) -> bool:
    """Only the dispatcher chooses workers and fires clocks; alarms and people's answers go in through any process."""
    return isinstance(item, FireDue) or (isinstance(item, Happen) and isinstance(item.event, WorkersChosen))


def _fail(batch: list[Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
