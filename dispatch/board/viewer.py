"""One open page, and what waits to be sent to it. A page that cannot keep up never makes another wait.

A page that has taken all there was gets its next frame straight on the wire, without a turn of a task of its own: with
800 pages that is most of what a change costs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from dispatch.board.frames import Frame, Write

FRAMES_MAX = 64
BYTES_MAX = 2_000_000
"""What may wait for one page; beyond either it loses all of it and gets one fresh picture instead."""


class Viewer:
    """A page's frames, in order. `picture` makes a fresh whole one, when the page is ready for it."""

    def __init__(self, picture: Callable[[], bytes]) -> None:
        self._picture = picture
        self._write: Write | None = None
        self._is_sending = False
        self._frames: deque[Frame] = deque()
        self._bytes = 0
        self._is_behind = False
        self._arrived = asyncio.Event()

    def attach(self, write: Write) -> None:
        """From now on frames may go straight on this wire while nothing waits before them."""
        self._write = write

    def put(self, frame: Frame) -> None:
        """Send a frame, or queue it; never waits."""
        if self._is_behind:
            return
        is_idle = not self._frames and not self._is_sending
        if is_idle and self._write is not None and self._write(frame.wire):
            return
        size = len(frame.text)
        if len(self._frames) >= FRAMES_MAX or self._bytes + size > BYTES_MAX > size:
            self.start_over()
            return
        self._frames.append(frame)
        self._bytes += size
        self._arrived.set()

    def start_over(self) -> None:
        """Forget what waits: the next frame is a fresh picture."""
        self._frames.clear()
        self._bytes = 0
        self._is_behind = True
        self._arrived.set()

    async def next(self) -> bytes:
        """The next frame that waits, as soon as there is one. It counts as being sent until this is asked again."""
        self._is_sending = False
        await self._arrived.wait()
        self._is_sending = True
        if self._is_behind:
            self._is_behind = False
            text = self._picture()
        else:
            text = self._frames.popleft().text
            self._bytes -= len(text)
        if not self._frames:
            self._arrived.clear()
        return text
