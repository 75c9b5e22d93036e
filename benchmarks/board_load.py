"""All viewers, in a process of their own: `python -m benchmarks.board_load`, which is told what to do as
`benchmarks.load` is.
"""

from __future__ import annotations

import asyncio
import bisect
import gc
import socket
import statistics
from typing import Any

import numpy as np
import uvloop

from benchmarks.board_viewer import BoardViewer
from benchmarks.commands import serve
from dispatch.clock import SystemClock, limit

OPENING_AT_ONCE = 16
OPENED_WITHIN_S = 20.0
SMALL_BUFFER_BYTES = 65_536


class BoardLoad:
    """Viewers of our board, or clients of the peer; times are seconds since 1970, so that the log can be compared."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._viewers: list[BoardViewer] = []

    async def close(self) -> None:
        """Hang all up."""
        for viewer in self._viewers:
            viewer.leave()

    async def open(self, port: int, path: str, cookie: str, viewers: int, only_counts: bool) -> dict[str, Any]:
        """Open so many; returns when every handshake is done."""
        loop, room = asyncio.get_running_loop(), asyncio.Semaphore(OPENING_AT_ONCE)

        async def one(number: int) -> BoardViewer:
            async with room, limit(OPENED_WITHIN_S):
                viewer = BoardViewer(f"127.0.0.1:{port}", path, cookie, self._now_s, only_counts=only_counts)
                line = socket.socket()
                if number == 0:  # the one that will stop reading: what waits for it shall not vanish in the kernel
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
                line.setblocking(False)
                await loop.sock_connect(line, ("127.0.0.1", port))
                await loop.create_connection(lambda: viewer, sock=line)
                await viewer.opened
                return viewer

        self._viewers = list(await asyncio.gather(*map(one, range(viewers))))
        gc.collect()
        gc.freeze()
        return {"open": len(self._viewers)}

    async def leave(self) -> dict[str, Any]:
        """Hang all up, to open others."""
        await self.close()
        self._viewers = []
        return {}

    async def forget(self) -> dict[str, Any]:
        """Count from now on."""
        for viewer in self._viewers:
            viewer.forget()
        return {"seqs": [viewer.seq for viewer in self._viewers]}

    async def stall(self) -> dict[str, Any]:
        """The first viewer stops reading."""
        self._viewers[0].stop_reading()
        return {"seq": self._viewers[0].seq}

    async def read_on(self) -> dict[str, Any]:
        """The first viewer reads again."""
        self._viewers[0].read_on()
        return {}

    async def until(self, seq: int, within_s: float) -> dict[str, Any]:
        """Return when everybody has seen this entry, or the time is over."""
        try:
            async with limit(within_s):
                while any(viewer.seq < seq for viewer in self._viewers):
                    await self._clock.sleep(0.02)
        except TimeoutError:
            pass  # who has not shows in the answer
        return {"behind": sum(viewer.seq < seq for viewer in self._viewers)}

    async def tell(self, entries: list[tuple[int, str]], from_seqs: list[int], began_s: float) -> dict[str, Any]:
        """What was seen since `forget`: how many of these entries (each with its call), by whom, and for how long.

        A frame carries a call once, however many entries changed it, so it counts once. An entry that came in a whole
        picture instead of a change is not counted as delivered.
        """
        carried, ends = _Carried(entries), []
        delivered = []
        for viewer, from_seq in zip(self._viewers, from_seqs, strict=True):
            delivered.append(carried.by(viewer, from_seq))
            ends += [viewer.seen[-1][1]] if viewer.seen else []
        return {
            "delivered": sum(delivered),
            "least": min(delivered),
            "seconds": max(ends, default=began_s) - began_s,
            "frames": sum(viewer.frames for viewer in self._viewers),
            "bytes": sum(viewer.bytes for viewer in self._viewers),
            "gaps": sum(viewer.gaps for viewer in self._viewers),
            "jumps": [len(viewer.jumps) for viewer in self._viewers],
            "lost": sum(viewer.lost for viewer in self._viewers),
        }

    async def late(self, entries: list[tuple[int, float]], but: int = 0) -> dict[str, Any]:
        """Milliseconds from each entry's instant until each viewer had it, as percentiles over all of both.

        The first `but` viewers do not count.
        """
        seqs, since_s = (np.array(column) for column in zip(*entries, strict=True))
        late_ms = []
        for viewer in self._viewers[but:]:
            seen, at_s = (np.array(column) for column in zip(*viewer.seen, strict=True))
            first = np.searchsorted(seen, seqs)
            within = first < len(seen)
            late_ms.append(1000 * (at_s[first[within]] - since_s[within]))
        everything = np.concatenate(late_ms)
        return {
            "count": len(everything),
            "p50_ms": float(np.percentile(everything, 50)),
            "p99_ms": float(np.percentile(everything, 99)),
            "max_ms": float(everything.max()),
            "worst_viewer_p99_ms": max(float(np.percentile(each, 99)) for each in late_ms),
        }

    async def rate(self, seconds: float) -> dict[str, Any]:
        """Bytes that came in so many seconds, by client."""
        before = [viewer.bytes for viewer in self._viewers]
        began_s = self._clock.elapsed()
        await self._clock.sleep(seconds)
        took_s = self._clock.elapsed() - began_s
        came = [viewer.bytes - was for viewer, was in zip(self._viewers, before, strict=True)]
        return {"bytes": sum(came), "least": min(came), "median": statistics.median(came), "seconds": took_s}

    def _now_s(self) -> float:
        return self._clock.now().timestamp()


class _Carried:
    """How many changes frames carried. `entries` rise; most frames go to everybody, so each is looked at once."""

    def __init__(self, entries: list[tuple[int, str]]) -> None:
        self._seqs = [seq for seq, _ in entries]
        self._calls = [call for _, call in entries]
        self._in_frame: dict[tuple[int, int], int] = {}

    def by(self, viewer: BoardViewer, from_seq: int) -> int:
        """Those that came to one viewer since it had seen `from_seq`, without what whole pictures brought."""
        pictures, count, before = set(viewer.jumps), 0, from_seq
        for seq, _ in viewer.seen:
            if (before, seq) not in pictures:
                count += self._between(before, seq)
            before = seq
        return count

    def _between(self, after: int, up_to: int) -> int:
        frame = after, up_to
        if frame not in self._in_frame:
            start, end = bisect.bisect_right(self._seqs, after), bisect.bisect_right(self._seqs, up_to)
            self._in_frame[frame] = len(set(self._calls[start:end]))
        return self._in_frame[frame]


async def _main() -> None:
    await serve(BoardLoad())


if __name__ == "__main__":
    uvloop.run(_main())
