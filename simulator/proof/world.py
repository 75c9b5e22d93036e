"""The world of one seed: time, chance, and the one statement that is under way.

Everything of ours runs on the virtual loop. A statement for the real database is taken up only when nothing else can
run, and nothing else runs until it is answered; so what a seed does hangs on no machine's speed. The one exception is
a statement that waits for another's lock: it is set aside until the lock is free, which is for PostgreSQL to say.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.proof.loop import VirtualLoop, running
from simulator.proof.story import Story
from simulator.town import chances

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from random import Random

    import asyncpg

    from simulator.proof.depot import Depot, Real

    Do = Callable[[], Coroutine[Any, Any, Any]]

PATIENCE_S = 0.05
"""Real seconds after which a statement is asked whether it waits for a lock."""
WAITS = "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $1 AND NOT granted)"


@dataclass(eq=False)
class _Request:
    """A statement for the real database: how to do it, whom to answer, and who does it (a server process's id)."""

    do: Do
    then: Do | None
    answer: asyncio.Future[Any]
    server_pid: int
    task: asyncio.Task[Any] | None = None


class World:
    """See the module. `io` is the real loop that the database's connections live on, `guard` one of those, to ask who
    waits for a lock.

    `on_task` is told of every task that begins; `skip_to` may name a later instant to go to when nothing is going on.
    """

    def __init__(self, seed: int, io: asyncio.AbstractEventLoop, guard: asyncpg.Connection[Any]) -> None:
        self.seed = seed
        self.on_task: Callable[[asyncio.Task[Any]], None] = lambda _task: None
        self.skip_to: Callable[[float], float] = lambda at_s: at_s
        self.loop = VirtualLoop(self._begun, self._unhandled)  # type: ignore[abstract]
        self.story = Story(self.loop.time)
        self.draw = self.chances("world")
        self._io, self._guard = io, guard
        self._requests: deque[_Request] = deque()
        self._stuck: list[_Request] = []
        self._has_moved = False
        self._agenda: list[tuple[float, int, str, Callable[[], object]]] = []
        self._order = 0
        self._storms = 0
        self.statements = 0

    def chances(self, name: str) -> Random:
        """A generator of its own for one purpose."""
        return chances(self.seed, f"proof {name}")

    def next_storm(self) -> int:
        """A number for the next storm, so that each has chances of its own."""
        self._storms += 1
        return self._storms

    @property
    def now_s(self) -> float:
        """Virtual seconds since the beginning."""
        return self.loop.time()

    @property
    def is_busy(self) -> bool:
        """Whether a statement is under way or waits for a lock."""
        return bool(self._requests or self._stuck)

    def _begun(self, task: asyncio.Task[Any]) -> None:
        self.on_task(task)

    def _unhandled(self, context: dict[str, Any]) -> None:
        self.story.tell("loop", f"{context.get('message')} {context.get('exception')!r}")

    # --- the world's own happenings ------------------------------------------------------------------------------

    def later(self, seconds: float, do: Callable[[], object], name: str = "") -> None:
        """Have something happen after so long."""
        self._order += 1
        heapq.heappush(self._agenda, (self.now_s + seconds, self._order, name, do))

    def next_happening_s(self) -> float | None:
        """When the world does something next by itself."""
        return self._agenda[0][0] if self._agenda else None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something that takes time."""
        self.loop.create_task(work)

    # --- statements ----------------------------------------------------------------------------------------------

    def ask(self, do: Do, server_pid: int, then: Do | None = None, *, first: bool = False) -> Awaitable[Any]:
        """Have something done on the real database as soon as nothing else can run, and `then` if it went well.

        `first`: before what waits already.
        """
        request = _Request(do, then, self.loop.create_future(), server_pid)
        if first:
            self._requests.appendleft(request)
        else:
            self._requests.append(request)
        return request.answer

    def bury(self, real: Real, depot: Depot) -> None:
        """A connection is thrown away: have it rolled back before anything else is done."""
        self.ask(lambda: depot.give_back(real), real.pid, first=True)

    def really(self, work: Awaitable[Any]) -> Any:
        """Do something on the real loop at once; only outside every task of the virtual one."""
        with running(None):
            return self._io.run_until_complete(work)

    def _do_next(self) -> None:
        request = self._requests.popleft()
        if request.answer.done():
            return
        self.statements += 1
        self.give_up_waiting(request.server_pid)  # somebody threw its connection away meanwhile
        request.task = self._io.create_task(request.do())
        self._has_moved = True
        if self._is_done(request):
            for stuck in self._stuck:  # what goes on now goes on before anybody looks
                self._is_done(stuck)
            self._conclude(request)
        else:
            self.story.tell("database", "a statement waits for a lock")
            self._stuck.append(request)

    def _is_done(self, request: _Request) -> bool:
        """Wait until a statement is done; False if it waits for a lock that somebody else holds."""
        assert request.task is not None
        while True:
            self._wait(request.task)
            if request.task.done():
                return True
            if self.really(self._guard.fetchval(WAITS, request.server_pid)):
                return False

    def _wait(self, task: asyncio.Task[Any]) -> None:
        """Let the real loop run until a task is done, or patience ends."""
        if task.done():
            return
        task.add_done_callback(self._stop)
        patience = self._io.call_later(PATIENCE_S, self._io.stop)
        with running(None):
            self._io.run_forever()
        patience.cancel()
        task.remove_done_callback(self._stop)

    def _stop(self, _task: object) -> None:
        self._io.stop()

    def _conclude(self, request: _Request) -> None:
        """Look at what a statement has done, and answer whoever asked for it."""
        assert request.task is not None
        error = request.task.exception()
        if error is None and request.then is not None:
            self.really(request.then())
        if request.answer.done():
            return
        if error is None:
            request.answer.set_result(request.task.result())
        else:
            request.answer.set_exception(error)

    def _look_at_stuck(self) -> bool:
        """Whether a statement that waited for a lock is answered now."""
        if not self._stuck or not self._has_moved:
            return False
        self._has_moved = False
        done = [request for request in self._stuck if self._is_done(request)]
        self._stuck = [request for request in self._stuck if request not in done]
        for request in done:
            self._conclude(request)
        return bool(done)

    def give_up_waiting(self, server_pid: int) -> None:
        """Have PostgreSQL end a statement that waits for a lock, as its own time limits would."""
        for request in self._stuck:
            if request.server_pid == server_pid:
                assert request.task is not None
                self.really(self._guard.fetchval("SELECT pg_cancel_backend($1)", server_pid))
                self.really(asyncio.wait({request.task}))
                self._has_moved = True

    # --- running -------------------------------------------------------------------------------------------------

    def run(self, until_s: float) -> None:
        """Go on until then."""
        while True:
            self.loop.settle()
            if self._requests:
                self._do_next()
            elif not self._look_at_stuck() and not self._move(until_s):
                return

    def _move(self, until_s: float) -> bool:
        """Let time pass until something happens next; False if that is not before the end."""
        wakes = (self.loop.next_at_s(), self.next_happening_s())
        at_s = self.skip_to(min((wake for wake in wakes if wake is not None), default=until_s))
        if at_s >= until_s:
            self.loop.move_to(until_s)
            return False
        self.loop.move_to(at_s)
        while self._agenda and self._agenda[0][0] <= at_s:
            with running(self.loop):
                heapq.heappop(self._agenda)[3]()
        return True
