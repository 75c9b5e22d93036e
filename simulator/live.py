"""The town against a running service: every terminal an MQTT client, every worker and operator an HTTP client."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

import asyncpg
import msgspec

from dispatch import logs
from simulator import checks
from simulator.happenings import Broken, Cancel, Happening, Press, Reading, Repeat, Weather, happenings, measured
from simulator.live_client import LiveClient
from simulator.live_operator import LiveOperator
from simulator.live_terminal import LiveTerminal
from simulator.live_worker import LiveWorker
from simulator.people import BRISK, Habits, OperatorMind, WorkerMind
from simulator.tally import Account, Sent
from simulator.terminal import Say, Terminal, stamp
from simulator.town import frail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dispatch.clock import Clock
    from dispatch.model import TerminalId, WorkerId
    from simulator.reach import Reach
    from simulator.town import Town

CONNECT_AT_ONCE = 20
CHECK_EVERY_S = 2.0
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
log = logs.get("town")


@dataclass(frozen=True)
class Cast:
    """Who plays: terminals that are connected, workers with their links' tokens, operators with theirs."""

    terminals: Sequence[TerminalId]
    worker_tokens: Mapping[WorkerId, str]
    operator_tokens: Sequence[str]
    habits: Habits = BRISK
    weather: Weather = field(default_factory=Weather)
    on_said: Callable[[Terminal, Say], None] = lambda _device, _say: None


class LiveTown:
    """Use as `async with`; everybody is connected and on duty then. `run` lets things happen."""

    def __init__(self, town: Town, cast: Cast, reach: Reach, clock: Clock, seed: int) -> None:
        self.town, self.cast = town, cast
        self._reach, self._clock, self._seed = reach, clock, seed
        self._name = clock.new_id().hex[-8:]
        self._press_ids: set[Sent] = set()
        self._other_ids: set[Sent] = set()
        self._clients: list[LiveClient] = []
        self._tasks: list[asyncio.Task[None]] = []
        self.terminals = {
            terminal_id: LiveTerminal(
                Terminal(reach.centre_id, terminal_id, clock.new_id().hex), reach, clock, cast.on_said
            )
            for terminal_id in cast.terminals
        }

    async def __aenter__(self) -> Self:
        try:
            self._start(*(terminal.run() for terminal in self.terminals.values()))
            await self._open_people()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients))

    def _start(self, *runs: object) -> None:
        for run in runs:
            task = asyncio.ensure_future(run)  # type: ignore[call-overload]
            task.add_done_callback(_complain)
            self._tasks.append(task)

    async def _open_people(self) -> None:
        gate = asyncio.Semaphore(CONNECT_AT_ONCE)

        async def open_worker(worker_id: WorkerId, token: str) -> None:
            async with gate:
                worker = self._worker(worker_id)
                await worker.client.enter(token)
                await worker.come_on_duty()
                self._start(worker.run())

        await asyncio.gather(*(open_worker(*entry) for entry in self.cast.worker_tokens.items()))
        for part, token in enumerate(self.cast.operator_tokens):
            client = self._client(f"operator {part}")
            await client.enter(token)
            mind = OperatorMind(client.name, self._seed, self.cast.habits)
            self._start(LiveOperator(client, mind, self._clock, part, len(self.cast.operator_tokens)).run())

    def _client(self, name: str) -> LiveClient:
        self._clients.append(LiveClient(self._reach, self._clock, name))
        return self._clients[-1]

    def _worker(self, worker_id: WorkerId) -> LiveWorker:
        worker = next(each for each in self.town.workers if each.id == worker_id)
        place = worker.place or self.town.station(worker.station_id).place
        mind = WorkerMind(worker_id, self._seed, self.cast.habits)
        return LiveWorker(worker_id, place, self._client(worker_id), mind, self._clock)

    def _frail(self) -> list[TerminalId]:
        return frail(self.town, len(self.cast.terminals))

    # --- letting things happen ----------------------------------------------------------------------------------------

    async def run(self, seconds: float | None = None) -> None:
        """Let everything happen in its time, for so long or without end."""
        started = self._clock.elapsed()
        for each in happenings(self.cast.terminals, self._seed, self.cast.weather, self._frail()):
            ends_s = each.at_s if seconds is None else min(each.at_s, seconds)
            await self._clock.sleep(started + ends_s - self._clock.elapsed())
            if seconds is not None and each.at_s > seconds:
                return
            self.play(each)

    def play(self, happening: Happening) -> None:
        """Have one thing happen now."""
        terminal, now = self.terminals[happening.terminal_id], self._clock.now()
        device, alarm_id = terminal.device, self._alarm_id(happening.number)
        match happening:
            case Press(key=key, is_test=True):
                self._other_ids.add((happening.terminal_id, alarm_id))
                terminal.do(device.test(key, alarm_id, now))
            case Press(key=key):
                self._press_ids.add((happening.terminal_id, alarm_id))
                terminal.do(device.press(key, alarm_id, now, battery=80))
            case Cancel(key=key, of=of):
                self._other_ids.add((happening.terminal_id, alarm_id))
                terminal.do(device.cancel(key, self._alarm_id(of), alarm_id, now))
            case Repeat(of=of):
                if call := device.calls.get(self._alarm_id(of)):
                    terminal.send_raw("alarm", msgspec.json.encode(call.message))
            case Reading():
                terminal.send_raw("vitals", msgspec.json.encode(measured(happening) | {"at": stamp(now)}))
            case Broken(nonsense=nonsense):
                terminal.send_raw("alarm", nonsense.payload)

    def _alarm_id(self, number: int) -> str:
        """New in every run: the same database may have seen this seed before."""
        return f"{self._name}-{number}"

    async def until_stored(self, within_s: float) -> bool:
        """Wait until every terminal has heard that its calls are stored; False if the time runs out."""
        end = self._clock.elapsed() + within_s
        while any(terminal.device.unstored() for terminal in self.terminals.values()):
            if self._clock.elapsed() > end:
                return False
            await self._clock.sleep(0.05)
        return True

    async def until_connected(self, within_s: float) -> bool:
        """Wait until every terminal is connected; False if the time runs out."""
        end = self._clock.elapsed() + within_s
        while not all(terminal.device.is_online for terminal in self.terminals.values()):
            if self._clock.elapsed() > end:
                return False
            await self._clock.sleep(0.05)
        return True

    def account(self) -> Account:
        """What the town did."""
        return Account(
            presses=set(self._press_ids),
            others=set(self._other_ids),
            stored={
                (terminal_id, call.alarm_id)
                for terminal_id, terminal in self.terminals.items()
                for call in terminal.device.calls.values()
                if call.stage is not None
            },
            fallen_back=sum(len(terminal.fallen_back) for terminal in self.terminals.values()),
        )


def _complain(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("somebody_stopped", error=repr(error), exc_info=error)


async def watch(dsn: str, clock: Clock, broken: set[str], every_s: float = CHECK_EVERY_S) -> None:
    """Look for broken invariants again and again until cancelled; what is found goes into `broken`."""
    while True:
        try:
            broken.update(await look(dsn, clock))
        except AWAY as error:
            log.warning("not_checked", reason=repr(error))
        await clock.sleep(every_s)


async def look(dsn: str, clock: Clock) -> list[str]:
    """What is broken now."""
    connection = await asyncpg.connect(dsn, timeout=5, command_timeout=20)
    try:
        return await checks.violations(connection, clock.now())
    finally:
        await connection.close(timeout=2)
