"""A board's viewer for measuring: a WebSocket on a bare `asyncio.Protocol` that notes which entries it saw and when."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKED_AT_BYTES = 160
"""How much of a frame tells what it is: the rest is counted and passed over."""

_DELTA = re.compile(rb'"type":"delta","follows":(\d+),"seq":(\d+)')
_SNAPSHOT = re.compile(rb'"type":"snapshot","board":\{"seq":(\d+)')
_PING = 9


class BoardViewer(asyncio.Protocol):
    """One viewer. `now_s` reads the clock as each frame's last byte comes.

    `seen` has the entry and the second of each frame; `jumps` the entries between which a whole picture came. One that
    `only_counts` looks into no frame: of messages of one length the bytes tell how many there were.
    """

    def __init__(self, host: str, path: str, cookie: str, now_s: Callable[[], float], *, only_counts: bool) -> None:
        self._hello = (
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: bWVhc3VyZWQgYnkgaGFuZA==\r\nSec-WebSocket-Version: 13\r\nCookie: {cookie}\r\n\r\n"
        ).encode()
        self._now_s, self._only_counts = now_s, only_counts
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self._held = b""
        self._left = 0
        self._is_within = False
        self._told: tuple[int, int] | None = None
        self.seq = 0
        self.bytes = self.frames = self.gaps = 0
        self.seen: list[tuple[int, float]] = []
        self.jumps: list[tuple[int, int]] = []
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost = False

    def forget(self) -> None:
        """Count from now on."""
        self.bytes = self.frames = self.gaps = 0
        self.seen, self.jumps = [], []

    def stop_reading(self) -> None:
        """Read nothing more for now."""
        assert self._transport is not None
        self._transport.pause_reading()

    def read_on(self) -> None:
        assert self._transport is not None
        self._transport.resume_reading()

    def leave(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._hello)

    def connection_lost(self, problem: Exception | None) -> None:
        self.lost = True
        if not self.opened.done():
            self.opened.set_exception(problem or ConnectionResetError("the server hung up"))

    def data_received(self, data: bytes) -> None:
        self.bytes += len(data)
        if self._is_open and self._only_counts:
            return
        if self._left > len(data):  # in the middle of a frame
            self._left -= len(data)
            return
        data, self._held = self._held + data, b""
        if not self._is_open:
            head, found, rest = data.partition(b"\r\n\r\n")
            if not found:
                self._held = data
                return
            self._open(head)
            data = rest
        self._read(data)

    def _open(self, head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 101"):
            self.opened.set_exception(ConnectionRefusedError(head[:200].decode(errors="replace")))
            self.leave()
            return
        self._is_open = True
        self.opened.set_result(None)

    def _read(self, data: bytes) -> None:
        at, is_whole = 0, True
        while is_whole:
            step = min(self._left, len(data) - at)
            self._left, at = self._left - step, at + step
            if self._left:
                return
            if self._is_within:
                self._ended()
            at, is_whole = self._begin(data, at)
        self._held = data[at:]

    def _begin(self, data: bytes, at: int) -> tuple[int, bool]:
        """Read a frame's head and as much of it as tells what it is; (where that ends, whether it was all there)."""
        room = len(data) - at
        if room < 2:
            return at, False
        length, head = data[at + 1] & 0x7F, 2
        if length >= 126:
            head = 4 if length == 126 else 10
            length = int.from_bytes(data[at + 2 : at + head], "big")
        if room < head + min(length, LOOKED_AT_BYTES):
            return at, False
        start = at + head
        self._look(data[at] & 0x0F, data[start : start + min(length, LOOKED_AT_BYTES)])
        self._left, self._is_within = length, True
        return start, True

    def _look(self, opcode: int, start: bytes) -> None:
        self._told = None
        if opcode == _PING:
            assert self._transport is not None
            self._transport.write(bytes([0x8A, 0x80 | len(start), 0, 0, 0, 0]) + start)
        elif delta := _DELTA.search(start):
            self._told = int(delta[1]), int(delta[2])
        elif snapshot := _SNAPSHOT.search(start):
            self._told = -1, int(snapshot[1])

    def _ended(self) -> None:
        """The last byte of a frame is here."""
        self.frames, self._is_within = self.frames + 1, False
        if self._told is None:
            return
        follows, seq = self._told
        if follows < 0:
            self.jumps.append((self.seq, seq))
        elif follows != self.seq:
            self.gaps += 1
        self.seq, self._told = seq, None
        self.seen.append((seq, self._now_s()))
