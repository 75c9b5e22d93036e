"""Keeping a part running: a fault nobody foresaw is said loudly and counted, and the part starts again.

A centre must not go deaf because one loop met one bad row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from dispatch import logs
from dispatch.clock import Clock

REST_S = 1.0
log = logs.get("app")
Run = Callable[[], Awaitable[object]]


async def keep_running(name: str, run: Run, clock: Clock, failed: Callable[[str], None]) -> None:
    """Run a part until cancelled; one that ends or fails starts again after a moment."""
    while True:
        try:
            await run()
            log.error("part_ended", part_name=name)
        except Exception:
            log.exception("part_failed", part_name=name)
        failed(name)
        await clock.sleep(REST_S)


async def keep_all_running(parts: Mapping[str, Run], clock: Clock, failed: Callable[[str], None]) -> None:
    """Run several until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        for name, run in parts.items():
            tasks.create_task(keep_running(name, run, clock, failed), name=name)
