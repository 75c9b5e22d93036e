"""A process' clock: the real one, on the virtual world's wall and boot time. Somebody may set the wall."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dispatch.clock import SystemClock

if TYPE_CHECKING:
    import asyncio
    from random import Random

    from simulator.proof.process import Process

START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
"""The instant at which every virtual world begins."""


class ProcessClock(SystemClock):
    """What the service's own clock would say on this machine; a frozen process wakes late from every pause."""

    def __init__(self, process: Process) -> None:
        self._process = process
        super().__init__(self._set_by_hand)
        self._draw = process.world.chances(f"ids of {process.name}")

    def ahead_s(self) -> float:
        """How far it is ahead of the world's own time."""
        return self.now().timestamp() - START.timestamp() - self._process.world.now_s

    def _set_by_hand(self) -> float:
        return START.timestamp() + self._process.world.now_s + self._process.centre.wall_off_s

    def _boot(self) -> float:
        return self._process.world.now_s

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self._process.awake()

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        is_set = await super().wait(event, seconds)
        await self._process.awake()
        return is_set

    def jitter(self, seconds: float) -> float:
        return self._draw.uniform(0, seconds)

    def chances(self, name: str) -> Random:
        return self._process.world.chances(f"{self._process.name} {name}")
