"""The service as one process of the virtual world: the real parts, wired as `dispatch.app` wires them, on ways and
links that can break; killed between any two steps, frozen, started anew.

Killed means: from this step on nothing that its tasks do reaches anybody. They are cancelled, and whatever their
handlers then try (a statement, a message, a pause) ends at once.
"""

from __future__ import annotations

import asyncio
from contextvars import ContextVar, copy_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dispatch.app.leading import begin_clocks
from dispatch.app.running import keep_all_running, keep_running
from dispatch.devices.kinds import Lane
from dispatch.engine import Committed, Engine
from dispatch.engine.lease import InstanceLock, Lease
from dispatch.errors import SteppedDown, Unreachable
from dispatch.ingest import Intake, Sinks
from dispatch.ingest.uses import use_of
from dispatch.notify.channels import Means, open_channels
from dispatch.notify.sender import Sender
from dispatch.router.assigner import Assigner
from dispatch.router.deadlines import Deadlines
from dispatch.store import people, record
from simulator.proof.broker import Link
from simulator.proof.hours import ProcessClock
from simulator.proof.trouble import Trouble
from simulator.proof.way import IDLE_IN_TRANSACTION_S, ProofDatabase, ProofOne, Way

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence
    from collections.abc import Set as AbstractSet

    from dispatch.model import Alarm, TerminalId, Unreadable, WorkerId
    from simulator.proof.centre import Centre

    Do = Callable[[], Coroutine[Any, Any, Any]]

WHO: ContextVar[Process | None] = ContextVar("WHO", default=None)
"""Whose task runs."""
LOOK_AGAIN_S = 1.0
SWEEPS, SWEEP_EVERY_S = 8, 0.01


class _Lock(InstanceLock):
    """The file lock that the kernel frees with its process: here, with the last process of the same instance."""

    def __init__(self, process: Process) -> None:
        super().__init__(Path())
        self._process = process

    def is_ours(self) -> bool:
        return self._process.centre.is_last_of(self._process)


class Process:
    """One process. `instance` is what restarts share; `name` is its own."""

    def __init__(self, centre: Centre, number: int, instance: str) -> None:
        self.centre, self.world, self.broker = centre, centre.world, centre.broker
        self.name, self.instance = f"{instance}#{number}", instance
        self.is_dead = self.is_frozen = False
        self.dies_in: int | None = None
        """After so many more steps it is killed."""
        self.trouble = Trouble(self.world.chances(f"trouble of {self.name}"))
        self.tasks: set[asyncio.Task[Any]] = set()
        self.well_since_s = self.world.now_s
        """Since when nothing has struck it."""
        self.hanging = 0
        """Statements whose answer does not come."""
        self._thawed: asyncio.Event | None = None
        self.way = Way(self, centre.depot)
        self.clock = ProcessClock(self)
        self.term: _Term | None = None
        self._build()

    def _build(self) -> None:
        way, clock = self.way, self.clock
        self.house, self.router = ProofDatabase(way, size=3), ProofDatabase(way, size=4, is_planned_once=True)
        self.lease = Lease(ProofDatabase(way, size=2, dispatching=True), clock, self.instance, _Lock(self))
        new_calls, due_clocks = [ProofOne(way) for _ in range(2)], [ProofOne(way) for _ in range(2)]
        self.engine = Engine(
            ProofOne(way), clock, self.centre.policies, self._term_held, new_calls, due_clocks, self.lease.is_ours
        )
        self.assigner = Assigner(self.router, clock, self.engine)
        self.deadlines = Deadlines(self.router, clock, self.engine)
        means = Means("proof", clock.now, self._publish, self._name_of, self._show)
        self.sender = Sender(self.router, clock, open_channels(means), self.lease.is_fresh)
        for listener in (self._send, self.assigner.on_committed, self.deadlines.on_committed):
            self.engine.listen(listener)
        self.engine.listen_to_doubt(self.sender.look_again)

    # --- what the world does to it -------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self.tell("starts")
        copy_context().run(self._begin)

    def _begin(self) -> None:
        WHO.set(self)
        self.world.begin(self._main())

    def kill(self, where: str) -> None:
        """End it as `kill -9` does."""
        if self.is_dead:
            return
        self.world.story.strike("killed", self.name, where)
        self.end()
        self.centre.died(self)

    def end(self) -> None:
        """Let nothing more of it reach anybody."""
        self.is_dead, self.is_frozen = True, False
        self.way.cut()
        if self.term is not None:
            self.term.cut()
        if self._thawed is not None:
            self._thawed.set()
        self._sweep(SWEEPS)

    def _sweep(self, times: int) -> None:
        """Cancel its tasks; some begin others while they end."""
        for task in list(self.tasks):
            task.cancel()
        if self.tasks and times:
            self.world.later(SWEEP_EVERY_S, lambda: self._sweep(times - 1))

    def freeze(self, for_s: float) -> None:
        """Stop it as SIGSTOP does, and wake it after a while."""
        if self.is_dead or self.is_frozen:
            return
        self.strike("frozen", f"for {for_s:.1f} s")
        self.is_frozen, self._thawed = True, asyncio.Event()
        self.world.later(min(for_s, IDLE_IN_TRANSACTION_S), self._idled if for_s > IDLE_IN_TRANSACTION_S else int)
        self.world.later(for_s, self.thaw)

    def _idled(self) -> None:
        if self.is_frozen:
            self.way.end_idle_transactions()

    def thaw(self) -> None:
        """Wake it, if it is frozen."""
        if not self.is_frozen or self._thawed is None:
            return
        self.tell("wakes")
        self.is_frozen = False
        self.well_since_s = self.world.now_s
        self._thawed.set()
        if self.term is not None:
            self.term.thaw()

    # --- what its seams ask --------------------------------------------------------------------------------------

    async def awake(self) -> None:
        """Go on only while it lives and is not frozen."""
        while self.is_frozen and self._thawed is not None:
            await self._thawed.wait()
        if self.is_dead:
            raise asyncio.CancelledError

    async def point(self, where: str) -> None:
        """A step at which it may be killed."""
        await self.awake()
        self.point_now(where)

    def point_now(self, where: str) -> None:
        """The same where nothing can be waited for."""
        if self.is_dead:
            raise asyncio.CancelledError
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in <= 0:
                self.kill(where)
                raise asyncio.CancelledError

    async def ask(self, do: Do, server_pid: int, then: Do | None = None) -> Any:
        """Have something done on the real database."""
        answer = await self.world.ask(do, server_pid, then)
        await self.awake()
        return answer

    async def has_committed(self, term: int | None) -> None:
        """Something is durable: what must hold is looked at before anything else happens."""
        mirror = self.centre.mirror
        await mirror.look(self.name, term, by_leader=self.lease.term == mirror.term)

    async def hang(self, seconds: float) -> None:
        """Wait for an answer that does not come; until it is given up the process is not well."""
        self.hanging += 1
        try:
            await self.clock.sleep(seconds)
        finally:
            self.hanging -= 1
            self.well_since_s = self.world.now_s

    def strike(self, fault: str, what: str = "") -> None:
        self.well_since_s = self.world.now_s
        self.world.story.strike(fault, self.name, what)

    def tell(self, what: str) -> None:
        self.world.story.tell(self.name, what)

    # --- its own life, as dispatch.app.service and dispatch.app.leading have it --------------------------------------

    async def _main(self) -> None:
        while True:
            try:
                await self.engine.prepare()
                break
            except Unreachable:
                await self.clock.sleep(LOOK_AGAIN_S)
        loops = {"engine": self.engine.run, "lead": self._lead}
        async with asyncio.TaskGroup() as tasks:
            for name, run in loops.items():
                tasks.create_task(keep_running(name, run, self.clock, self._failed))

    def _failed(self, name: str) -> None:
        if not self.is_dead:
            self.world.story.breach(f"{self.name}: {name} failed, which nobody foresaw")

    async def _lead(self) -> None:
        while True:
            number = await self.lease.win()
            self.tell(f"leads, term {number}")
            self.well_since_s = self.world.now_s
            self.term = _Term(self, number)
            try:
                await self.lease.lead(asyncio.ensure_future(self.term.run()))
            finally:
                self.term = None
            self.tell("stands by")

    @property
    def is_leading(self) -> bool:
        return not self.is_dead and self.term is not None

    def _term_held(self) -> int:
        if self.lease.term is None:
            raise SteppedDown("not_leading")
        return self.lease.term

    def _send(self, committed: Committed) -> None:
        if self.term is not None:
            self.sender.on_committed(committed)

    def _publish(self, topic: str, payload: bytes, expiry_s: int) -> Awaitable[object]:
        if self.term is None:
            return _fail(Unreachable("not_leading"))
        return self.term.house.publish(topic, payload, expiry_s=expiry_s)

    def _name_of(self, worker_id: WorkerId) -> str | None:
        return self.assigner.names.get(worker_id)

    async def _show(self, worker_id: WorkerId) -> bool:
        await self.point("before a page is shown")
        shown = self.centre.show(self, worker_id)
        await self.point("after a page is shown")
        return shown


class _Term:
    """What only the leader does."""

    def __init__(self, process: Process, number: int) -> None:
        self._process, self._number = process, number
        sinks = Sinks(
            raise_alarms=self._raise_alarms,
            registered=self._registered,
            judge=lambda _readings: (),
            keep_vitals=_nothing,
            keep_house=_nothing,
            park=self._park,
        )
        use = use_of(Lane.ALARMS, sinks, process.clock)
        self.intake = Intake(Lane.ALARMS, process.clock, use, self._park, self._acknowledge, batch_max=500, at_once=8)
        self.alarms = Link(process, "proof-alarms-0", self.intake.receive)
        self.house = Link(process, "proof-housekeeping-0")

    def _acknowledge(self, done: Any) -> None:
        self.alarms.acknowledge(done)

    async def run(self) -> None:
        process = self._process
        loops: dict[str, Callable[[], Awaitable[object]]] = {
            "intake": self.intake.run,
            "alarms": self.alarms.run,
            "house": self.house.run,
            "assigner": process.assigner.run,
            "deadlines": process.deadlines.run,
            "sender": process.sender.run,
        }
        await begin_clocks(process.router, process.clock, self._number)
        await keep_all_running(loops, process.clock, process._failed)  # noqa: SLF001 - one part of the process

    def cut(self) -> None:
        self.alarms.drop()
        self.house.drop()

    def thaw(self) -> None:
        self.alarms.thaw()

    async def _raise_alarms(self, alarms: Sequence[Alarm]) -> None:
        await self._process.engine.raise_alarms(alarms, self._number)

    async def _registered(self, terminal_ids: AbstractSet[TerminalId]) -> AbstractSet[TerminalId]:
        async with self._process.house.connection() as connection:
            return await people.registered(connection, terminal_ids)

    async def _park(self, messages: Sequence[Unreadable]) -> None:
        if not self._process.lease.is_ours(self._number):
            raise Unreachable("overtaken", term=self._number)
        rows = [(self._process.clock.new_id(), message) for message in messages]
        async with self._process.house.transaction() as connection:
            await record.add_parked(connection, rows)


async def _nothing(_heard: Sequence[Any]) -> None:
    """Readings and signs of life are not part of this proof."""


async def _fail(error: Unreachable) -> None:
    raise error
