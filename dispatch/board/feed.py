"""The board, live: follows the log in commit order and hands every change to every viewer, serialised once.

A bell from the engine makes it quick; asking the log is the truth. Nothing is followed while nobody looks. While the
database cannot be asked no heartbeat is sent either, so that no page takes an old picture for the present.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from dispatch import logs
from dispatch.board.frames import Frame
from dispatch.board.loading import Cards, card_of, load_cards
from dispatch.board.messages import Centre, Heartbeat
from dispatch.board.phones import Phones
from dispatch.board.picture import CLOSED_SHOWN_FOR, Picture
from dispatch.board.viewer import Viewer
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.model import IncidentId, WorkerId
from dispatch.store import viewing
from dispatch.store.database import Bell, Connection, Database
from dispatch.store.incidents import PolicyShelf

POLL_EVERY_S = 0.3
HEARTBEAT_EVERY_S = 5.0
MOVES_EVERY_S = 1.0
CENTRE_EVERY_S = 5.0
MOVES_OVERLAP = timedelta(seconds=3)
"""A place is written up to half a second after the instant it carries: look back farther than that."""
REST_PER_WORK = 2.0
"""Following may take a third of the loop's time at most: in a flood the next batch is simply larger."""
ENTRIES_MAX = 5_000
"""A viewer (or the feed itself) that is farther behind gets a whole new picture: reading on would cost more."""
EXERCISES_KEPT = 100

log = logs.get("feed")
_encode = msgspec.json.Encoder().encode


class Feed:
    """Follows the log for all boards of this process, and has phones told when something about them changed.

    `centre` makes the Centre of counts of parked messages and of stations.
    """

    def __init__(
        self, database: Database, clock: Clock, shelf: PolicyShelf, phones: Phones, centre: Callable[[int, int], Centre]
    ) -> None:
        self._database = database
        self._clock = clock
        self._shelf = shelf
        self._phones = phones
        self._centre = centre
        self._picture: Picture | None = None
        self._is_torn = False
        self.still_since: datetime | None = None
        """Since when the log could not be followed, though somebody looks; None while it can."""
        self._viewers: dict[Viewer, bool] = {}
        self._bell = Bell()
        self._turn = asyncio.Lock()
        self._touched: set[WorkerId] = set()
        self._moves_at: datetime | None = None
        self._exercises: dict[IncidentId, float] = {}
        self._next = dict.fromkeys(("moves", "centre", "heartbeat"), 0.0)

    # --- for others --------------------------------------------------------------------------------------------------

    def ring(self) -> None:
        """Something was committed."""
        self._bell.ring()

    def touch(self, worker_id: WorkerId) -> None:
        """A worker came on or went off duty."""
        self._touched.add(worker_id)
        self._bell.ring()

    def __len__(self) -> int:
        return len(self._viewers)

    @property
    def acting(self) -> int:
        """Open boards of people who may act."""
        return sum(not is_masked for is_masked in self._viewers.values())

    def shown_s(self, incident_id: IncidentId) -> float | None:
        """When (on the clock's `elapsed`) one of the last exercises was put before the viewers; None if it was not."""
        return self._exercises.get(incident_id)

    async def board(self, *, is_masked: bool) -> bytes:
        """A `BoardSnapshot` as of now."""
        async with self._turn:
            picture = await self._follow()
            return picture.board(self._clock.now(), is_masked=is_masked)

    async def join(self, since: int | None, *, is_masked: bool) -> Viewer:
        """Open a viewer. It goes on from entry `since` unless that is too far back: a whole picture comes then."""
        viewer = Viewer(lambda: self._snapshot(is_masked))
        async with self._turn:
            frame = await self._first(since, is_masked)
            if frame is None:
                viewer.start_over()
            else:
                viewer.put(Frame(frame))
            self._viewers[viewer] = is_masked
        return viewer

    async def _first(self, since: int | None, is_masked: bool) -> bytes | None:
        """What a page that opens lacks, None for a whole picture; the old one while there is no newer to be had."""
        if self.still_since is not None and self._viewers:
            return None  # each attempt may take seconds; whoever looks already keeps trying
        try:
            picture = await self._follow()
            return await self._resume(picture, since, is_masked) if since is not None else None
        except Unreachable as error:
            self._stand_still(error)
            return None

    def leave(self, viewer: Viewer) -> None:
        """Close a viewer."""
        self._viewers.pop(viewer, None)

    def _snapshot(self, is_masked: bool) -> bytes:
        """The picture as it is; an empty one if the database was away from the first look on."""
        picture = self._picture or Picture(0, Cards({}, {}), self._centre(0, 0))
        return picture.snapshot(self._clock.now(), is_masked=is_masked)

    def say(self, frame_for: Callable[[bool], Frame]) -> None:
        """Put a frame of another kind before every viewer, made once for those who see all and once for the others."""
        for is_masked in set(self._viewers.values()):
            frame = frame_for(is_masked)
            for viewer, masked in self._viewers.items():
                if masked is is_masked:
                    viewer.put(frame)

    async def _resume(self, picture: Picture, since: int, is_masked: bool) -> bytes | None:
        if since > picture.seq:
            return None
        async with self._database.connection() as connection:
            changes = await viewing.changed_since(connection, since, ENTRIES_MAX)
        if not changes.is_all:
            return None
        lacking = picture.since(since, changes.incident_ids)
        return picture.delta(since, lacking, self._clock.now(), is_masked=is_masked, centre=picture.centre)

    # --- following ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow until cancelled, as long as somebody looks."""
        while True:
            self._bell.hush()
            started = self._clock.elapsed()
            try:
                await self.step()
            except Unreachable as error:
                self._stand_still(error)
            await self._clock.sleep((self._clock.elapsed() - started) * REST_PER_WORK)
            await self._clock.wait(self._bell.event, POLL_EVERY_S)

    async def step(self) -> None:
        """Bring every viewer and phone up to the newest entry."""
        if not self._viewers and not len(self._phones):
            return
        async with self._turn:
            await self._follow()
        if self._is_time("heartbeat", HEARTBEAT_EVERY_S):
            self._beat()

    async def _follow(self) -> Picture:
        """Read on from where the picture is; if that breaks in the middle, the next picture is a new one."""
        is_torn, self._is_torn = self._is_torn, True
        async with self._database.connection() as connection:
            if self._picture is None or is_torn:
                picture = await self._load(connection)
            else:
                picture = await self._read_on(connection, self._picture)
        self._is_torn, self.still_since = False, None
        return picture

    def _stand_still(self, error: Unreachable) -> None:
        if self.still_since is None:
            log.warning("feed_stands_still", **error.params)
            self.still_since = self._clock.now()

    async def _read_on(self, connection: Connection, picture: Picture) -> Picture:
        changes = await viewing.changed_since(connection, picture.seq, ENTRIES_MAX)
        if not changes.is_all:
            return await self._load(connection)
        moved = await self._moved(connection)
        cards = Cards({}, {})
        if changes.incident_ids or moved:
            cards = await load_cards(connection, self._shelf, changes.incident_ids, self._clock.now(), moved)
        centre = await self._count(connection) if self._is_time("centre", CENTRE_EVERY_S) else picture.centre
        self._advance(picture, changes.seq, cards, centre)
        await self._phones.tell(connection, cards.workers)
        return picture

    async def _load(self, connection: Connection) -> Picture:
        """A whole new picture; every viewer gets it."""
        now = self._clock.now()
        self._moves_at, self._touched = now, set()
        seq = await viewing.last_seq(connection)  # first: what is committed meanwhile comes again as a change
        ids = await viewing.incidents_on_board(connection, now - CLOSED_SHOWN_FOR)
        cards = await load_cards(connection, self._shelf, ids, now)
        workers = {each.worker.id: card_of(each) for each in await viewing.all_workers(connection)}
        self._picture = Picture(seq, Cards(cards.incidents, workers), await self._count(connection))
        for viewer in self._viewers:
            viewer.start_over()
        self._note_exercises(cards)
        await self._phones.refresh(connection)
        return self._picture

    async def _moved(self, connection: Connection) -> set[WorkerId]:
        """Workers whose duty or place may have changed."""
        touched, self._touched = self._touched, set()
        if self._moves_at is None or not self._is_time("moves", MOVES_EVERY_S):
            return touched
        since, self._moves_at = self._moves_at, self._clock.now()
        return touched | set(await viewing.workers_moved_since(connection, since - MOVES_OVERLAP))

    async def _count(self, connection: Connection) -> Centre:
        return self._centre(*await viewing.centre_counts(connection))

    def _advance(self, picture: Picture, seq: int, cards: Cards, centre: Centre) -> None:
        """Move the picture on and hand the difference to everybody; nothing here waits."""
        follows, now = picture.seq, self._clock.now()
        changed = picture.apply(seq, cards)
        picture.drop_closed(now)
        new_centre = centre if centre != picture.centre else None
        picture.centre = centre
        if seq == follows and not changed.incidents and not changed.workers and new_centre is None:
            return
        self.say(lambda is_masked: Frame(picture.delta(follows, changed, now, is_masked=is_masked, centre=new_centre)))
        self._note_exercises(changed)

    def _note_exercises(self, cards: Cards) -> None:
        """So that the canary can tell whether boards had its press."""
        if self._viewers:
            now_s = self._clock.elapsed()
            for key in [key for key, card in cards.incidents.items() if card.is_exercise]:
                self._exercises.setdefault(key, now_s)
            for key in list(self._exercises)[:-EXERCISES_KEPT]:
                del self._exercises[key]

    def _beat(self) -> None:
        seq = self._picture.seq if self._picture else 0
        frame = Frame(_encode(Heartbeat(seq, self._clock.now())))
        for viewer in self._viewers:
            viewer.put(frame)
        self._phones.beat(frame.text)

    def _is_time(self, what: str, every_s: float) -> bool:
        now_s = self._clock.elapsed()
        if now_s < self._next[what]:
            return False
        self._next[what] = now_s + every_s
        return True
