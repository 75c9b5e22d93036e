"""Terminals that press new keys at a steady rate, each a real MQTT client that repeats as the contract says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from dispatch import logs
from dispatch.clock import limit
from dispatch.errors import Unreachable
from simulator.live_terminal import LiveTerminal
from simulator.terminal import Say, Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from dispatch.clock import Clock
    from simulator.faults.ledger import Ledger
    from simulator.reach import Reach

KEYS: tuple[Literal["sos", "fall", "family", "service"], ...] = ("sos", "sos", "family", "sos", "fall", "service")
AGAIN_EVERY = 7
"""One press in so many is a further one at a home that has a call already: it goes the long way, under locks."""

CONNECTED_WITHIN_S = 20.0
log = logs.get("faults")


class Callers:
    """So many terminals, connected by `start`; they press from `press` until `rest`, `rate_per_s` of them in all."""

    def __init__(self, reach: Reach, clock: Clock, ledger: Ledger, ids: Sequence[str], rate_per_s: float) -> None:
        self._clock, self._ledger = clock, ledger
        self._rate_per_s = rate_per_s
        self._pressed = 0
        self._pressing: asyncio.Task[None] | None = None
        self._running: list[asyncio.Task[None]] = []
        self.terminals = [
            LiveTerminal(Terminal(reach.centre_id, each, clock.new_id().hex), reach, clock, self._heard) for each in ids
        ]

    async def start(self) -> None:
        """Connect them all. Raises Unreachable if they cannot."""
        self._running = [asyncio.create_task(each.run()) for each in self.terminals]
        try:
            async with limit(CONNECTED_WITHIN_S):
                while not all(each.device.is_online for each in self.terminals):
                    await self._clock.sleep(0.05)
        except TimeoutError:
            raise Unreachable("terminals_not_connected") from None

    async def stop(self) -> None:
        """Unplug them all."""
        await self.rest()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def press(self) -> None:
        """Begin to press."""
        assert self._pressing is None
        self._pressing = asyncio.create_task(self._press_on())

    async def rest(self) -> None:
        """Press no more; what is not stored is repeated all the same."""
        pressing, self._pressing = self._pressing, None
        if pressing is not None:
            pressing.cancel()
            await asyncio.gather(pressing, return_exceptions=True)

    def set_calendars(self, off: Sequence[timedelta]) -> None:
        """Set the terminals' dates and times so far ahead of what they are, each in turn by one of these."""
        for n, terminal in enumerate(self.terminals):
            terminal.device.calendar_off = off[n % len(off)]

    async def _press_on(self) -> None:
        began_s = self._clock.elapsed()
        for n in range(1, 1_000_000):
            self._press_once()
            await self._clock.sleep(max(0.0, began_s + n / self._rate_per_s - self._clock.elapsed()))

    def _press_once(self) -> None:
        n, self._pressed = self._pressed, self._pressed + 1
        number = 0 if n % AGAIN_EVERY == AGAIN_EVERY - 1 else n % len(self.terminals)
        terminal, alarm_id = self.terminals[number], f"press-{n}"
        self._ledger.pressed((terminal.device.terminal_id, alarm_id), self._clock.elapsed())
        terminal.do(terminal.device.press(KEYS[n % len(KEYS)], alarm_id, self._clock.now()))

    def _heard(self, device: Terminal, _say: Say) -> None:
        """Whatever was said: which calls does the centre have now? They need no further room in the terminal."""
        for call in [call for call in device.calls.values() if call.stage is not None]:
            self._ledger.stored((device.terminal_id, call.alarm_id), self._clock.elapsed())
            del device.calls[call.alarm_id]
