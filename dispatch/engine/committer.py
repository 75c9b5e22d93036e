"""Gathers what is handed in into batches and has each committed.

Whatever arrives while one batch commits forms the next, so a quiet centre commits each press by itself and a flooded
one commits hundreds at once. A batch that a single bad item spoils is done again by halves until that item stands
alone. While the database is away alarms wait here (unacknowledged to the broker); people are told at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from dispatch import logs
from dispatch.clock import Clock
from dispatch.engine.items import FireDue, Happen, Item, Outcome, RaiseAlarm, RaiseByService
from dispatch.errors import SteppedDown, Unreachable
from dispatch.incident.events import Closed, WorkersChosen
from dispatch.model import Alarm, Key, Origin
from dispatch.store.database import away

BATCH_MAX = 500
RETRY_AFTER_S = 0.2
RETRY_AFTER_S_MAX = 2.0
log = logs.get("engine")
Waiting = tuple[Item, "asyncio.Future[Outcome]"]
Commit = Callable[[list[Waiting]], Awaitable[None]]
"""Makes items durable and answers each one's future; may do so for some of them before it raises. What another line is
to commit it takes out of the list."""
Park = Callable[[Alarm, Exception], Awaitable[bool]]
"""Keeps an alarm that cannot be stored, with the reason; False if even that cannot be done now."""


class Committer:
    """One line of items, taken up in the order in which they came, by as many `hands` at the same time.

    `in_doubt` is called when the answer to a commit was lost: what it wrote may be durable, and nobody here knows.
    """

    def __init__(
        self, clock: Clock, commit: Commit, park: Park, hands: int = 1, in_doubt: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._commit = commit
        self._park = park
        self._in_doubt = in_doubt
        self._queue: deque[Waiting] = deque()
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._hands = hands
        self._busy = 0
        self._retry_after_s = 0.0

    def submit(self, item: Item) -> asyncio.Future[Outcome]:
        """Hand an item in; the future brings its outcome once that is durable, or the error that refused it."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.take((item, future))
        return future

    def take(self, waiting: Waiting) -> None:
        """Take over an item that was handed in elsewhere."""
        self._queue.append(waiting)
        self._arrived.set()
        self._idle.clear()

    @property
    def backlog(self) -> int:
        """Items handed in and not yet taken up."""
        return len(self._queue)

    async def settled(self) -> None:
        """Return when everything handed in so far is durable or refused."""
        await self._idle.wait()

    async def run(self) -> None:
        """Commit batch after batch until cancelled."""
        async with asyncio.TaskGroup() as hands:
            for _ in range(self._hands):
                hands.create_task(self._work())

    async def _work(self) -> None:
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
        batch = _unanswered(batch)
        count = len(batch)
        self._busy += 1
        try:
            if batch:
                await self._commit_by_halves(batch)
        finally:
            self._busy -= 1
        if not self._queue and not self._busy:
            self._idle.set()
        return count

    async def _commit_by_halves(self, batch: list[Waiting]) -> None:
        """Commit a batch, by halves where something in it cannot be stored; if cancelled, what is left goes back."""
        left = deque([batch])
        try:
            while left:
                await self._commit_first(left)
        except asyncio.CancelledError:
            self._give_back([waiting for part in left for waiting in _unanswered(part)])
            raise

    async def _commit_first(self, left: deque[list[Waiting]]) -> None:
        """Commit the first of the parts that are left; its halves take its place if something in it spoils it."""
        try:
            await self._commit(left[0])
        except Unreachable as error:
            self._wait_for_database([waiting for part in left for waiting in _unanswered(part)], error)
            left.clear()
            return
        except SteppedDown as error:
            self._step_down(_unanswered(left[0]), error)
        except Exception as error:  # noqa: BLE001 - whatever one bad item raises must not stop the others
            part = _unanswered(left[0])
            middle = len(part) // 2
            halves = [part[:middle], part[middle:]] if middle else await self._set_aside(part, error)
            left.popleft()
            left.extendleft(reversed(halves))
            return
        else:
            self._retry_after_s = 0.0
        left.popleft()

    def _wait_for_database(self, batch: list[Waiting], error: Unreachable) -> None:
        """Alarms stay and are tried again; people and loops hear at once that it could not be done."""
        self._retry_after_s = min(RETRY_AFTER_S_MAX, (self._retry_after_s or RETRY_AFTER_S / 2) * 2)
        log.warning("database_away", items=len(batch), retry_after_s=self._retry_after_s, **error.params)
        self._in_doubt()
        self._give_back([waiting for waiting in batch if isinstance(waiting[0], RaiseAlarm)])
        _fail([waiting for waiting in batch if not isinstance(waiting[0], RaiseAlarm)], error)

    def _step_down(self, batch: list[Waiting], error: SteppedDown) -> None:
        """What only a dispatcher may write is dropped (the new one does it); the rest is tried again without it."""
        log.error("stepped_down", **error.params)
        _fail([waiting for waiting in batch if needs_lease(waiting[0])], error)
        self._give_back([waiting for waiting in batch if not needs_lease(waiting[0])])

    def _give_back(self, batch: list[Waiting]) -> None:
        self._queue.extendleft(reversed(batch))
        if self._queue:
            self._arrived.set()

    async def _set_aside(self, part: list[Waiting], error: Exception) -> list[list[Waiting]]:
        """One item that cannot be stored: an alarm still becomes a call, from its topic alone, and is parked.

        Returns what is to be tried instead. If it cannot even be parked it is not the alarm's fault, and it waits.
        """
        if not part:
            raise error  # all were durable: whatever failed after that is not theirs
        [(item, future)] = part
        log.error("item_set_aside", item=type(item).__name__, **_named(item), error=repr(error), exc_info=error)
        if not isinstance(item, RaiseAlarm):
            _fail(part, error)
        elif not await self._park(item.alarm, error):
            self._wait_for_database(part, away(error))
        elif item.alarm.key is not Key.UNREADABLE:
            return [[(RaiseAlarm(_bare(item.alarm), item.term), future)]]
        elif not future.done():
            future.set_result(Outcome(None, ignored="parked"))
        return []


def needs_lease(item: Item) -> bool:
    """Only the dispatcher chooses workers, fires clocks, and opens or closes on the service's own behalf; alarms and
    people's answers go in through any process.
    """
    if isinstance(item, Happen):
        by_service = isinstance(item.event, Closed) and item.event.by == "service"
        return by_service or isinstance(item.event, WorkersChosen)
    return isinstance(item, FireDue | RaiseByService)


def _unanswered(batch: list[Waiting]) -> list[Waiting]:
    return [waiting for waiting in batch if not waiting[1].done()]


def _fail(batch: list[Waiting], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)


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
