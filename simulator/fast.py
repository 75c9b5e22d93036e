"""`simulator fast`: hours of a town in seconds. The real rules, engine and database; time, links and people are ours.

One thing happens at a time, in an order that follows from the seed: the next happening, somebody's next act, a
terminal's next repeat, the centre's next clock. Messages up are lost now and then (the terminal repeats), messages
down come late or while the terminal sleeps, phones are closed, and the centre crashes right after a commit.
"""

from __future__ import annotations

import hashlib
import heapq
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

from dispatch.board.cards import Background, incident_card
from dispatch.board.worker_cards import Part, worker_view
from dispatch.clock import VirtualClock
from dispatch.engine import Committed, Happen
from dispatch.incident import events as ev
from dispatch.model import AssignmentId
from dispatch.store import duty
from dispatch.store.database import Database
from simulator import checks
from simulator.fast_centre import Centre
from simulator.happenings import Broken, Cancel, Happening, Press, Reading, Repeat, Weather, happenings, measured
from simulator.people import REAL, Act, Habits, OperatorMind, WorkerMind, key_of, stage_of
from simulator.tally import Account, Sent, Tally, tally
from simulator.terminal import FallBack, Publish, Terminal, ToDo, stamp
from simulator.town import frail

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dispatch.board.worker_messages import WorkerView
    from dispatch.incident.policy import Policies
    from dispatch.incident.states import Incident
    from dispatch.model import TerminalId, WorkerId
    from simulator.town import Town

START = datetime(2026, 3, 1, 0, 0, tzinfo=UTC)
OPERATOR = "operator-1"
CHECK_EVERY = 400
"""Things that happen between two looks at all invariants."""


@dataclass(frozen=True)
class Faults:
    """Shares of messages, and crashes an hour."""

    lost_up: float = 0.05
    lost_down: float = 0.03
    slow_down_s: float = 3.0
    phone_closed: float = 0.1
    crashes_per_hour: float = 2.0


@dataclass(frozen=True)
class Script:
    """What is played. `wind_down_s`: after the last happening, for the last calls to be attended and closed."""

    seed: int
    hours: float
    wind_down_s: float = 3600.0
    weather: Weather = field(
        default_factory=lambda: Weather(
            presses_per_min=0.6,
            tests_per_min=0.05,
            readings_per_min=2.0,
            nonsense_per_min=0.03,
            cancel_after_s=(2.0, 300.0),
            declines_per_min=0.02,
        )
    )
    habits: Habits = REAL
    faults: Faults = Faults()


@dataclass(frozen=True)
class Played:
    """What came of it. `digest` covers the whole log: the same seed gives the same."""

    tally: Tally
    broken: tuple[str, ...]
    lines: tuple[str, ...]
    digest: str
    crashes: int
    events: int


class FastTown:
    """One run; see the module. `dsn` is a database with the town in it and nothing else."""

    def __init__(self, town: Town, script: Script, policies: Policies, dsn: str) -> None:
        self._town, self._script, self._dsn = town, script, dsn
        self._clock = VirtualClock(START, script.seed)
        self._database = Database(dsn, size=2)
        self._centre = Centre(self._database, self._clock, policies, self._publish, self._show, self._look_at)
        self._agenda: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = []
        self._order = 0
        self._draw = self._clock.chances("links")
        self._terminals = {each.id: Terminal("fast", each.id, f"s-{each.id}") for each in town.terminals}
        self._workers = {each.id: each for each in town.workers}
        self._minds = {each: WorkerMind(each, script.seed, script.habits) for each in self._workers}
        self._operator = OperatorMind(OPERATOR, script.seed, script.habits)
        self._stages: dict[WorkerId, tuple[object, ...]] = {}
        self._thoughts: dict[object, object] = {}
        self._held: dict[WorkerId, tuple[Incident, AssignmentId]] = {}
        self._presses: set[Sent] = set()
        self._others: set[Sent] = set()
        self._numbers: dict[tuple[str, str], set[int]] = {}
        self._fallen_back = 0
        self._broken: dict[str, None] = {}
        self._events = 0

    async def play(self, on_progress: Callable[[float], None] = lambda _hours: None) -> Played:
        """Play the whole script; `on_progress` hears now and then how many hours have passed."""
        self._on_progress = on_progress
        connection = await asyncpg.connect(self._dsn)
        try:
            await self._open(connection)
            await self._go_on(connection, START + timedelta(hours=self._script.hours, seconds=self._script.wind_down_s))
            await self._check(connection)
            account = Account(self._presses, self._others, self._stored(), self._fallen_back)
            result, lines = await tally(connection, account, self._broken, START)
            digest = await _digest(connection)
        finally:
            await self._centre.stop()
            await self._database.close()
            await connection.close()
        return Played(result, tuple(self._broken), tuple(lines), digest, self._centre.crashes, self._events)

    async def _open(self, connection: asyncpg.Connection[Any]) -> None:
        for worker in self._town.workers:
            await duty.go_on_duty(connection, worker.id, START)
            if worker.place is not None:
                await duty.save_places(connection, [duty.Position(worker.id, worker.place, START)])
        await self._centre.start()
        ids = [each.id for each in self._town.terminals]
        self._stream = happenings(ids, self._script.seed, self._script.weather, frail(self._town))
        self._plan_next_happening()
        self._plan_next_crash()
        for device in self._terminals.values():
            device.connected(START)

    async def _go_on(self, connection: asyncpg.Connection[Any], end: datetime) -> None:
        while True:
            await self._centre.settle()
            wakes = (self._agenda[0][0] if self._agenda else None, self._centre.due_at(), self._clock.next_wake_at())
            at = min((wake for wake in wakes if wake is not None), default=end)
            if at > end:
                await self._clock.advance_to(end)
                return
            await self._clock.advance_to(at)
            if self._agenda and self._agenda[0][0] <= at:
                await heapq.heappop(self._agenda)[2]()
            self._events += 1
            if self._events % CHECK_EVERY == 0:
                await self._check(connection)
                self._on_progress(self._clock.elapsed() / 3600)

    async def _check(self, connection: asyncpg.Connection[Any]) -> None:
        for line in await checks.violations(connection, self._clock.now()):
            self._broken.setdefault(f"{self._clock.now():%H:%M:%S} {line}")

    def _plan(self, after_s: float, do: Callable[[], Awaitable[None]]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (self._clock.now() + timedelta(seconds=after_s), self._order, do))

    # --- happenings and terminals -------------------------------------------------------------------------------------

    def _plan_next_happening(self) -> None:
        happening = next(self._stream)
        at = START + timedelta(seconds=happening.at_s)
        if at > START + timedelta(hours=self._script.hours):
            return

        async def happen() -> None:
            self._plan_next_happening()
            self._play_one(happening)

        self._plan((at - self._clock.now()).total_seconds(), happen)

    def _plan_next_crash(self) -> None:
        if self._script.faults.crashes_per_hour > 0:

            async def crash() -> None:
                self._centre.crash_at_next_commit()
                self._plan_next_crash()

            self._plan(self._draw.expovariate(self._script.faults.crashes_per_hour / 3600), crash)

    def _play_one(self, happening: Happening) -> None:
        device, now = self._terminals[happening.terminal_id], self._clock.now()
        name = f"a-{happening.number}"
        match happening:
            case Press(key=key, is_test=True):
                self._others.add((happening.terminal_id, name))
                self._do(device, device.test(key, name, now))
            case Press(key=key):
                self._presses.add((happening.terminal_id, name))
                self._do(device, device.press(key, name, now))
            case Cancel(key=key, of=of):
                self._others.add((happening.terminal_id, name))
                self._do(device, device.cancel(key, f"a-{of}", name, now))
            case Repeat(of=of):
                if call := device.calls.get(f"a-{of}"):
                    self._up(Publish(device.topic("alarm"), msgspec.json.encode(call.message)))
            case Reading():
                reading = measured(happening) | {"at": stamp(now)}
                self._up(Publish(device.topic("vitals"), msgspec.json.encode(reading)))
            case Broken(nonsense=nonsense):
                self._up(Publish(device.topic("alarm"), nonsense.payload))

    def _do(self, device: Terminal, to_do: Sequence[ToDo]) -> None:
        for each in to_do:
            if isinstance(each, Publish):
                self._up(each)
            elif isinstance(each, FallBack):
                self._fallen_back += 1
        due_at = device.due_at()
        if due_at is not None:

            async def due() -> None:
                self._do(device, device.due(self._clock.now())) if device.due_at() == due_at else None

            self._plan((due_at - self._clock.now()).total_seconds(), due)

    def _up(self, message: Publish) -> None:
        """A message to the broker; some are lost on the way, as on a bad radio link."""
        if self._draw.random() < self._script.faults.lost_up:
            return

        async def arrive() -> None:
            await self._centre.hear(message.topic, message.payload)

        self._plan(self._draw.uniform(0.02, 0.3), arrive)

    def _publish(self, topic: str, payload: bytes) -> None:
        """A message down; some are lost or come late."""
        self._check_order(topic, payload)
        device = self._terminals.get(topic.split("/")[3])  # type: ignore[call-overload]
        if device is None or self._draw.random() < self._script.faults.lost_down:
            return

        async def arrive() -> None:
            self._do(device, device.heard(topic, payload, self._clock.now()))

        self._plan(self._draw.uniform(0.02, self._script.faults.slow_down_s), arrive)

    def _check_order(self, topic: str, payload: bytes) -> None:
        """Invariant 5: in order for each recipient. What was sent before may come again; nothing may be overtaken."""
        receipt = msgspec.json.decode(payload)
        sent = self._numbers.setdefault((topic, receipt["alarm_id"]), set())
        if sent and receipt["n"] < max(sent) and receipt["n"] not in sent:
            self._broken.setdefault(f"5: receipt {receipt['n']} of {receipt['alarm_id']} was overtaken by {max(sent)}")
        sent.add(receipt["n"])

    def _stored(self) -> set[Sent]:
        heard: set[tuple[TerminalId, str]] = set()
        for terminal_id, device in self._terminals.items():
            heard |= {(terminal_id, call.alarm_id) for call in device.calls.values() if call.stage is not None}
        return set(heard)

    # --- people -------------------------------------------------------------------------------------------------------

    def _look_at(self, committed: Committed) -> None:
        """The board sees every commit; a worker sees the own call after each own tap."""
        for part in committed.parts:
            for assignment in part.after.live():
                self._held[assignment.worker_id] = (part.after, assignment.id)
            for assignment in part.after.assignments:
                held = self._held.get(assignment.worker_id)
                if held is not None and held[1] == assignment.id:
                    self._held[assignment.worker_id] = (part.after, assignment.id)
            self._operator_looks(part.after)

    def _show(self, worker_id: WorkerId) -> bool:
        if self._draw.random() < self._script.faults.phone_closed:
            return False
        self._worker_looks(worker_id)
        return True

    def _view(self, worker_id: WorkerId) -> WorkerView:
        incident, assignment_id = self._held[worker_id]
        assignment = incident.assignment(assignment_id)
        part = Part(incident, assignment, Background({}, {}, {}, {})) if assignment else None
        return worker_view(self._workers[worker_id], part, self._clock.now(), "UTC")

    def _worker_looks(self, worker_id: WorkerId) -> None:
        if worker_id not in self._held:
            return
        view = self._view(worker_id)
        stage = stage_of(view)
        if self._stages.get(worker_id) == stage:
            return
        self._stages[worker_id] = stage
        if (doing := self._minds[worker_id].acts_on(view)) is not None:
            offer_id, act = doing
            self._plan(act.after_s, lambda: self._worker_acts(worker_id, stage, AssignmentId(offer_id), act))

    async def _worker_acts(
        self, worker_id: WorkerId, stage: tuple[object, ...], offer_id: AssignmentId, act: Act
    ) -> None:
        if self._stages.get(worker_id) != stage:
            return
        incident, _ = self._held[worker_id]
        event = worker_event(act, offer_id, worker_id, AssignmentId(self._clock.new_id()))
        await self._centre.submit(Happen(incident.id, event))
        self._worker_looks(worker_id)

    def _operator_looks(self, incident: Incident) -> None:
        card = incident_card(incident, Background({}, {}, {}, {}), self._clock.now())
        thought = key_of(card)
        if self._thoughts.get(incident.id) == thought:
            return
        self._thoughts[incident.id] = thought
        act = self._operator.next_act(card)
        if act is not None:
            self._plan(act.after_s, lambda: self._operator_acts(incident, thought, act))

    async def _operator_acts(self, incident: Incident, thought: object, act: Act) -> None:
        if self._thoughts.get(incident.id) == thought:
            await self._centre.submit(Happen(incident.id, operator_event(act)))


def worker_event(act: Act, offer_id: AssignmentId, worker_id: WorkerId, new_offer_id: AssignmentId) -> ev.Event:
    """What a tap on the worker's page means to the rules."""
    taps: dict[str, Callable[[], ev.Event]] = {
        "accept": lambda: ev.OfferAccepted(offer_id, worker_id, new_offer_id),
        "decline": lambda: ev.OfferDeclined(offer_id, worker_id, act.body["reason"]),
        "depart": lambda: ev.Departed(offer_id, worker_id),
        "arrive": lambda: ev.Arrived(offer_id, worker_id),
        "ok": lambda: ev.CheckedIn(offer_id, worker_id),
        "confirm-cancel": lambda: ev.CancelConfirmed(worker_id),
        "finish": lambda: ev.AssignmentFinished(offer_id, worker_id, act.body["outcome"]),
    }
    return taps[act.verb]()


def operator_event(act: Act) -> ev.Event:
    """What a click on the board means to the rules."""
    if act.verb == "answer":
        return ev.OperatorAnswered(OPERATOR)
    if act.verb == "confirm-cancel":
        return ev.CancelConfirmed(OPERATOR)
    return ev.Closed(OPERATOR, act.body["outcome"])


async def _digest(connection: asyncpg.Connection[Any]) -> str:
    """A hash of the whole log, in its order."""
    rows = await connection.fetch(
        "SELECT incident_id, at, code, by, state, level, facts FROM incident_log ORDER BY seq"
    )
    content = "\n".join(" ".join(map(str, row.values())) for row in rows)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
