"""One open page, and what waits to be sent to it. A page that cannot keep up never makes another wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

FRAMES_MAX = 64
BYTES_MAX = 2_000_000
"""What may wait for one page; beyond either it loses all of it and gets one fresh picture instead."""


class Viewer:
    """A page's frames, in order. `picture` makes a fresh whole one, when the page is ready for it."""

    def __init__(self, picture: Callable[[], bytes]) -> None:
        self._picture = picture
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._is_behind = False
        self._arrived = asyncio.Event()

    def put(self, frame: bytes) -> None:
        """Queue a frame; never waits."""
        if self._is_behind:
            return
        if len(self._frames) >= FRAMES_MAX or self._bytes + len(frame) > BYTES_MAX > len(frame):
            self.start_over()
            return
        self._frames.append(frame)
        self._bytes += len(frame)
        self._arrived.set()

    def start_over(self) -> None:
        """Forget what waits: the next frame is a fresh picture."""
        self._frames.clear()
        self._bytes = 0
        self._is_behind = True
        self._arrived.set()

    async def next(self) -> bytes:
        """The next frame, as soon as there is one."""
        await self._arrived.wait()
        if self._is_behind:
            self._is_behind = False
            frame = self._picture()
        else:
            frame = self._frames.popleft()
            self._bytes -= len(frame)
        if not self._frames:
            self._arrived.clear()
        return frame
