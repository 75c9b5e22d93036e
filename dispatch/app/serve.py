"""`dispatch serve`: the service on the machine's own clock, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal

import uvloop

from dispatch import logs
from dispatch.app.service import build
from dispatch.clock import SystemClock
from dispatch.settings import Settings

STOP_WITHIN_S = 4.8
"""After this long a stop is no longer polite: whoever supervises us counts five seconds."""
log = logs.get("app")


async def _serve(settings: Settings) -> None:
    service = await build(settings, SystemClock())
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _ask_to_stop, stopping)
    await service.start()
    gc.collect()
    gc.freeze()  # what is there now stays: no collection of a flood's rubbish need look at it
    gc.set_threshold(50_000, 20, 20)
    asked = asyncio.ensure_future(stopping.wait())
    ended = asyncio.ensure_future(service.wait())
    try:
        await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()
        _limit_stop()
        await service.stop()
    if not stopping.is_set():
        await ended


def _ask_to_stop(stopping: asyncio.Event) -> None:
    _limit_stop()
    stopping.set()


def _limit_stop() -> None:
    """Have the kernel end us if a polite stop takes too long."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, STOP_WITHIN_S)


def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises BadSettings or Refused if it cannot begin."""
    logs.set_up(settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings))
    signal.setitimer(signal.ITIMER_REAL, 0)
