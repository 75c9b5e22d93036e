"""The load, in a process of its own: `python -m benchmarks.load` takes one JSON command a line and answers each.

Its times are seconds on the clock that runs since the machine was started, so both processes can compare them. It ends
when its input does.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

from benchmarks.commands import serve, settle
from benchmarks.phone import Phones
from benchmarks.register import home_of, terminal_id, token_of
from benchmarks.stand import CENTRE
from benchmarks.terminal import BenchTerminal, connect_all
from dispatch.clock import SystemClock, limit


class Load:
    """All terminals and phones, and when each press was made, stored and offered."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._terminals: list[BenchTerminal] = []
        self._phones: Phones | None = None
        self._pressed_s: dict[str, float] = {}
        self._stored_s: dict[str, float] = {}
        self._offered_s: dict[str, float] = {}
        self._open: set[tuple[str, str]] = set()
        self._none_open = asyncio.Event()

    async def close(self) -> None:
        """Hang all up."""
        for terminal in self._terminals:
            terminal.leave()
        if self._phones is not None:
            await self._phones.close()

    async def connect(self, mqtt_port: int, terminals: int) -> dict[str, Any]:
        """Connect the first so many terminals."""
        ids = [terminal_id(n) for n in range(terminals)]
        self._terminals = await connect_all(mqtt_port, CENTRE, ids, self._clock, self._on_stored)
        settle()
        return {"connected": len(self._terminals)}

    async def open_phones(self, url: str, workers: int) -> dict[str, Any]:
        """Open the pages of the first so many workers."""
        self._phones = Phones(url, self._clock, self._on_offer)
        await self._phones.open([token_of(n) for n in range(workers)])
        settle()
        return {"open": workers}

    async def press_paced(self, first: int, count: int, rate_per_s: float, within_s: float) -> dict[str, Any]:
        """Press terminals one after the other; returns when all are stored and offered, or the time is over."""
        began_s = self._clock.elapsed()
        for n in range(first, first + count):
            await self._clock.sleep(max(0.0, began_s + (n - first) / rate_per_s - self._clock.elapsed()))
            alarm_id = f"paced-{n}"
            packet = self._terminals[n].packet(alarm_id, self._clock.now())
            self._expect("stored", alarm_id)
            self._expect("offered", home_of(n))
            self._pressed_s[alarm_id] = self._clock.elapsed()
            self._terminals[n].write(packet)
        await self._all_done(within_s)
        if self._phones is not None:
            await self._phones.settled()
        made = {n: self._pressed_s[f"paced-{n}"] for n in range(first, first + count)}
        return {
            "stored_ms": [_ms(self._stored_s.get(f"paced-{n}"), at_s) for n, at_s in made.items()],
            "offered_ms": [_ms(self._offered_s.get(home_of(n)), at_s) for n, at_s in made.items()],
            "accepted": self._phones.accepted if self._phones else 0,
            "refused": self._phones.refused if self._phones else 0,
        }

    async def press_at_once(
        self, mark: str, within_s: float, first: int = 0, count: int | None = None
    ) -> dict[str, Any]:
        """Press every terminal (or some) in the same moment; returns when all are stored, or the time is over."""
        now = self._clock.now()
        terminals = self._terminals[first : None if count is None else first + count]
        packets = [each.packet(f"{mark}-{n}", now) for n, each in enumerate(terminals)]
        for n in range(len(packets)):
            self._expect("stored", f"{mark}-{n}")
        settle()
        began_s = self._clock.elapsed()
        for terminal, packet in zip(terminals, packets, strict=True):
            terminal.write(packet)
        written_s = self._clock.elapsed()
        await self._all_done(within_s)
        stored = [self._stored_s[name] for n in range(len(packets)) if (name := f"{mark}-{n}") in self._stored_s]
        return {
            "began_s": began_s,
            "written_s": written_s,
            "all_stored_s": max(stored, default=began_s),
            "stored_ms": [_ms(at_s, began_s) for at_s in stored],
        }

    # --- what terminals and phones tell

    def _expect(self, what: str, name: str) -> None:
        self._open.add((what, name))
        self._none_open.clear()

    def _came(self, what: str, name: str) -> None:
        self._open.discard((what, name))
        if not self._open:
            self._none_open.set()

    def _on_stored(self, alarm_id: str, at_s: float) -> None:
        self._stored_s.setdefault(alarm_id, at_s)
        self._came("stored", alarm_id)

    def _on_offer(self, address: str, at_s: float) -> None:
        self._offered_s[address] = at_s
        self._came("offered", address)

    async def _all_done(self, within_s: float) -> None:
        try:
            async with limit(within_s):
                await self._none_open.wait()
        except TimeoutError:
            self._open.clear()  # what did not come is missing from the answer


def _ms(at_s: float | None, since_s: float) -> float | None:
    return None if at_s is None else 1000 * (at_s - since_s)


if __name__ == "__main__":
    uvloop.run(serve(Load()))
