"""The fleet, in a process of its own: `python -m benchmarks.fleet_load`, told what to do as `benchmarks.load` is."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import uvloop

from benchmarks.commands import serve
from benchmarks.fleet_terminal import Counts, FleetTerminal, Heard
from benchmarks.register import terminal_id
from dispatch.clock import SystemClock, limit


class FleetLoad:
    """All terminals, and when each was lost, came back and had its press stored: seconds since the machine started."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._counts = Counts()
        self._terminals: list[FleetTerminal] = []
        self._lives: list[asyncio.Task[None]] = []
        self._lost_s: dict[str, float] = {}
        self._back_s: dict[str, float] = {}
        self._pressed_s: dict[str, float] = {}
        self._stored_s: dict[str, float] = {}
        self._changed = asyncio.Event()

    async def close(self) -> None:
        """Hang all up."""
        for life in self._lives:
            life.cancel()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def connect(self, port: int, terminals: int, per_s: float, within_s: float) -> dict[str, Any]:
        """Connect so many, so many a second; returns when all subscriptions stand, or the time is over."""
        heard = Heard(self._on_back, self._on_lost, self._on_stored)
        began_s = self._clock.elapsed()
        for n in range(terminals):
            terminal = FleetTerminal(n, terminal_id(n), port, self._clock, heard, self._counts)
            self._terminals.append(terminal)
            self._lives.append(asyncio.create_task(terminal.live(n / per_s)))
        await self._until(lambda: len(self._back_s) == terminals, within_s)
        gc.collect()
        gc.freeze()
        return {"connected": len(self._back_s), "took_s": self._clock.elapsed() - began_s}

    async def forget(self) -> dict[str, Any]:
        """Count losses and returns from now on."""
        self._lost_s.clear()
        self._back_s.clear()
        return {"at_s": self._clock.elapsed()}

    async def press(self, mark: str, first: int, count: int) -> dict[str, Any]:
        """Press some terminals at once, connected or not."""
        for terminal in self._terminals[first : first + count]:
            alarm_id = f"{mark}-{terminal.number}"
            self._pressed_s[alarm_id] = self._clock.elapsed()
            terminal.press(alarm_id)
        return {"lost": len(self._lost_s)}

    async def until_back(self, since_s: float, within_s: float) -> dict[str, Any]:
        """Return when every terminal was lost and is back and every press is stored, or the time is over."""
        await self._until(self._is_whole, within_s)
        back_s = [at_s for terminal, at_s in self._back_s.items() if terminal in self._lost_s]
        return {
            "lost": len(self._lost_s),
            "back": len(back_s),
            "back_after_s": [at_s - since_s for at_s in back_s],
            "stored": len(self._stored_s),
            "stored_after_s": [at_s - self._pressed_s[alarm_id] for alarm_id, at_s in self._stored_s.items()],
            "all_stored_at_s": max(self._stored_s.values(), default=0.0),
            "failures": self._counts.failures,
        }

    def _is_whole(self) -> bool:
        everybody = len(self._terminals)
        return len(self._lost_s) == len(self._back_s) == everybody and len(self._stored_s) == len(self._pressed_s)

    async def _until(self, is_so: Any, within_s: float) -> None:
        try:
            async with limit(within_s):
                while not is_so():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass  # what is missing shows in the answer

    def _on_back(self, terminal: str) -> None:
        self._back_s[terminal] = self._clock.elapsed()
        self._changed.set()

    def _on_lost(self, terminal: str) -> None:
        self._lost_s.setdefault(terminal, self._clock.elapsed())
        self._back_s.pop(terminal, None)
        self._changed.set()

    def _on_stored(self, alarm_id: str) -> None:
        self._stored_s.setdefault(alarm_id, self._clock.elapsed())
        self._changed.set()


async def _main() -> None:
    await serve(FleetLoad())


if __name__ == "__main__":
    uvloop.run(_main())
