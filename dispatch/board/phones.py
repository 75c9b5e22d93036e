"""Workers' open pages: each gets its whole view again when something about that worker changes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from dispatch.board.loading import load_views
from dispatch.board.worker_messages import WorkerView
from dispatch.clock import Clock
from dispatch.errors import NotFound
from dispatch.model import WorkerId
from dispatch.store.database import Connection, Database
from dispatch.store.incidents import PolicyShelf

_encode = msgspec.json.Encoder().encode


class Phone:
    """One open page. Only the newest view is worth sending, so nothing piles up for a slow phone."""

    def __init__(self) -> None:
        self._view: bytes | None = None
        self._heartbeat: bytes | None = None
        self._arrived = asyncio.Event()

    def show(self, view: bytes) -> None:
        """Send this view; one that still waits is out of date."""
        self._view = view
        self._arrived.set()

    def beat(self, heartbeat: bytes) -> None:
        """Send a heartbeat, unless a view is on its way."""
        self._heartbeat = heartbeat
        self._arrived.set()

    async def next(self) -> bytes:
        """The next frame, as soon as there is one."""
        await self._arrived.wait()
        frame = self._view or self._heartbeat
        assert frame is not None
        self._view = self._heartbeat = None
        self._arrived.clear()
        return frame


class Phones:
    """All open pages of workers in this process."""

    def __init__(self, database: Database, clock: Clock, shelf: PolicyShelf, time_zone: str) -> None:
        self._database = database
        self._clock = clock
        self._shelf = shelf
        self._time_zone = time_zone
        self._open: defaultdict[WorkerId, set[Phone]] = defaultdict(set)
        self._turn = asyncio.Lock()

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def is_open(self, worker_id: WorkerId) -> bool:
        """Whether a worker has a page open in this process."""
        return worker_id in self._open

    async def view(self, worker_id: WorkerId) -> WorkerView:
        """What a worker's page shows now. Raises NotFound if the register has no such worker any more."""
        async with self._database.connection() as connection:
            views = await load_views(connection, self._shelf, [worker_id], self._clock.now(), self._time_zone)
        if worker_id not in views:
            raise NotFound("no_such_worker", worker_id=worker_id)
        return views[worker_id]

    async def join(self, worker_id: WorkerId) -> Phone:
        """Open a page; its first frame is the view as it is now."""
        phone = Phone()
        async with self._turn:
            phone.show(_encode(await self.view(worker_id)))
            self._open[worker_id].add(phone)
        return phone

    def leave(self, worker_id: WorkerId, phone: Phone) -> None:
        """Close a page."""
        self._open[worker_id].discard(phone)
        if not self._open[worker_id]:
            del self._open[worker_id]

    async def tell(self, connection: Connection, worker_ids: Iterable[WorkerId]) -> None:
        """Send their views to the open pages among these workers."""
        wanted = self._open.keys() & set(worker_ids)
        if not wanted:
            return
        async with self._turn:
            views = await load_views(connection, self._shelf, wanted, self._clock.now(), self._time_zone)
        for worker_id, view in views.items():
            frame = _encode(view)
            for phone in self._open.get(worker_id, ()):
                phone.show(frame)

    async def refresh(self, connection: Connection) -> None:
        """Send its view to every open page."""
        await self.tell(connection, list(self._open))

    def beat(self, frame: bytes) -> None:
        """A heartbeat for every page."""
        for phones in self._open.values():
            for phone in phones:
                phone.beat(frame)
