"""An event loop without sockets whose time stands still until it is told to move.

Nothing on it depends on the machine: callbacks run in the order in which they were asked for, timers in the order of
their instants, so the same seed runs the same steps. `asyncio.sleep`, `asyncio.timeout` and every lock, event and task
group work on it as on any other loop. What is real (the database) happens on another loop, between two of its steps.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio.events import _get_running_loop, _set_running_loop  # what asyncio has for those who write loops
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVarTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from contextvars import Context

Args = TypeVarTuple("Args")
STEPS_MAX = 200_000
"""Callbacks at one instant; more means that something turns in a circle without waiting for anything."""


@contextmanager
def running(loop: asyncio.AbstractEventLoop | None) -> Iterator[None]:
    """Have asyncio take this loop for the one that runs; None: none does."""
    before = _get_running_loop()
    _set_running_loop(loop)
    try:
        yield
    finally:
        _set_running_loop(before)


class _Call(asyncio.TimerHandle):
    """One callback, at its instant."""

    def run(self) -> None:
        if not self.cancelled():
            self._run()


class _Task(asyncio.Task[Any]):
    """A task with a place of its own in every set, where others have one that hangs on their address in memory."""

    number: int

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.AbstractEventLoop):
    """`settle` runs everything that can run at this instant; `next_at_s` and `move_to` are for whoever owns time."""

    def __init__(
        self, on_task: Callable[[asyncio.Task[Any]], None], on_fault: Callable[[dict[str, Any]], None]
    ) -> None:
        self._on_task, self._on_fault = on_task, on_fault
        self._now_s = 0.0
        self._order = self._tasks = 0
        self._ready: deque[_Call] = deque()
        self._timers: list[tuple[float, int, _Call]] = []

    # --- for whoever owns time -----------------------------------------------------------------------------------

    def settle(self) -> None:
        """Run every callback that is ready, and those that they make ready."""
        with running(self):
            for _ in range(STEPS_MAX):
                if not self._ready:
                    return
                self._ready.popleft().run()
        raise RuntimeError("something turns in a circle")

    def next_at_s(self) -> float | None:
        """The instant of the earliest timer; None if there is none."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def move_to(self, at_s: float) -> None:
        """Let time pass; timers up to that instant are ready then, in the order of their own instants."""
        self._now_s = max(self._now_s, at_s)
        while self._timers and self._timers[0][0] <= self._now_s:
            self._ready.append(heapq.heappop(self._timers)[2])

    # --- what asyncio asks of a loop -----------------------------------------------------------------------------

    def time(self) -> float:
        return self._now_s

    def call_soon(
        self, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.Handle:
        call = _Call(self._now_s, callback, args, self, context)
        self._ready.append(call)
        return call

    def call_later(
        self, delay: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Args], object], *args: *Args, context: Context | None = None
    ) -> asyncio.TimerHandle:
        call = _Call(when, callback, args, self, context)
        self._order += 1
        heapq.heappush(self._timers, (when, self._order, call))
        return call

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **named: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        self._tasks += 1
        task = _Task.__new__(_Task)
        task.number = self._tasks  # first: it is put into a set while it is made
        task.__init__(coro, loop=self, **named)  # type: ignore[misc]
        self._on_task(task)
        return task

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self._on_fault(context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their instant comes."""
