"""The lease: one process dispatches at a time, and one that was frozen and wakes late writes nothing.

The holder raises a count each second. A standby that has seen the same count for three seconds of its own clock takes
the next term; that waits for transactions still open under the old one, and every dispatching transaction locks the
term it believes in, so the old holder can neither finish nor begin one afterwards. A restart of the same instance on
the same machine is recognised by a file lock, which the kernel frees with the process, and need not wait.
"""

from __future__ import annotations

import asyncio
import fcntl
from pathlib import Path
from typing import IO

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import SteppedDown, Unreachable
from dispatch.store import lease as store
from dispatch.store.database import Database

BEAT_EVERY_S = 1.0
WATCH_EVERY_S = 0.5
SILENT_AFTER_S = 3.0
FRESH_S = 2.5
"""Whoever has not raised its count for so long may have been overtaken, and sends nothing until it knows better."""
log = logs.get("lease")


class InstanceLock:
    """Proves, to whoever comes next on this machine, that this instance's former process has ended."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def is_ours(self) -> bool:
        """Whether this process holds the lock, taking it if it is free."""
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                return False
            self._file = file
        return True

    def release(self) -> None:
        """Let the next process have it."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Lease:
    """Wins, keeps and watches the lease. `term` is the one held, None while standing by."""

    def __init__(self, database: Database, clock: Clock, instance: str, lock: InstanceLock | None = None) -> None:
        self.term: int | None = None
        self._database = database
        self._clock = clock
        self._instance = instance
        self._lock = lock
        self._beat_at = 0.0
        self._seen: tuple[int, int] | None = None
        self._seen_at = 0.0

    def is_fresh(self) -> bool:
        """Whether we hold the lease and have said so a moment ago; asked before each send."""
        return self.term is not None and self._clock.elapsed() - self._beat_at < FRESH_S

    def is_ours(self, term: int) -> bool:
        """Whether we hold this term and nobody can have overtaken us unnoticed."""
        return self.term == term and self.is_fresh()

    async def win(self) -> int:
        """Stand by until the lease is ours; returns the term."""
        while True:
            try:
                if await self.try_to_win() and self.term is not None:
                    log.info("lease_won", term=self.term, instance=self._instance)
                    return self.term
            except Unreachable as error:
                self._seen = None  # silence counts only while we could have heard the holder
                log.warning("lease_unknown", **error.params)
            await self._clock.sleep(WATCH_EVERY_S)

    async def try_to_win(self) -> bool:
        """Look once, and take the lease if its holder is silent, is our own former process, or there is none."""
        async with self._database.transaction() as connection:
            row = await store.read(connection)
            now = self._clock.now()
            if row is None:
                won, term = await store.found(connection, self._instance, now), 1
            elif self._may_take(row):
                won, term = await store.take(connection, row.term, self._instance, now), row.term + 1
            else:
                return False
        if won:
            self.term, self._beat_at = term, self._clock.elapsed()
        return won

    def _may_take(self, row: store.LeaseRow) -> bool:
        if row.holder == self._instance and self._lock is not None and self._lock.is_ours():
            return True
        seen = (row.term, row.beat)
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._clock.elapsed()
            return False
        return self._clock.elapsed() - self._seen_at >= SILENT_AFTER_S

    async def keep(self) -> None:
        """Raise the count until the lease is lost to another, then return."""
        while self.term is not None:
            try:
                await self.beat()
            except Unreachable as error:
                log.warning("beat_missed", **error.params)
            await self._clock.sleep(BEAT_EVERY_S)

    async def beat(self) -> None:
        """Raise the count once; afterwards `term` is None if another has taken over."""
        assert self.term is not None
        asked_at = self._clock.elapsed()
        async with self._database.connection() as connection:
            if await store.beat(connection, self.term):
                self._beat_at = asked_at
            else:
                log.error("lease_lost", term=self.term)
                self.term = None

    async def lead(self, work: asyncio.Task[None]) -> None:
        """Keep the lease for as long as `work` runs; when it is lost, stop the work.

        Raises what ended either of them, unless it was the loss or an order to stop.
        """
        keeping = asyncio.ensure_future(self.keep())
        try:
            await asyncio.wait({keeping, work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            keeping.cancel()
            work.cancel()
            ends = await asyncio.gather(keeping, work, return_exceptions=True)
        for end in ends:
            if isinstance(end, SteppedDown):  # the work found out before the next beat did
                self.term = None
            elif isinstance(end, Exception):
                raise end
