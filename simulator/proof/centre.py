"""The centre in its world: its processes, one after the other or two at a time, and everything they promise.

Whatever a process lets out (an acknowledgement, a message, a page) is held against what is durable at that moment.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from dispatch.devices import kinds
from dispatch.incident.clocks import due_at
from dispatch.model import Alarm
from simulator.proof.broker import Broker
from simulator.proof.looks import Looks
from simulator.proof.mirror import Mirror
from simulator.proof.process import WHO, Process

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any

    import asyncpg

    from dispatch.incident.policy import Policies
    from dispatch.incident.states import Incident
    from dispatch.model import IncidentId, WorkerId
    from simulator.proof.depot import Depot
    from simulator.proof.world import World

FIRES_WITHIN_S = 1.0
AFTER_TROUBLE_S = 2.0
"""A clock fires so soon after its time, or after the service is there again."""
SET_BACK_WITHIN_S = 30.0
"""Between what was written last and a restart this much may pass that nobody could count."""
RESTARTS_AFTER_S = (0.3, 3.0)
ALARM_CLIENT = "proof-alarms-0"


class Centre:
    """See the module. `on_down` takes what is published for terminals, `on_show` shows a page if one is open."""

    def __init__(
        self,
        world: World,
        depot: Depot,
        eye: asyncpg.Connection[Any],
        policies: Policies,
        on_down: Callable[[str, bytes], None],
        on_show: Callable[[WorkerId], bool],
        on_change: Callable[[Incident | None, Incident], None],
    ) -> None:
        self.world, self.depot, self.policies = world, depot, policies
        self.broker = Broker(world, on_down)
        self.mirror = Mirror(eye, world.story, self._changed)
        self.looks = Looks(self.mirror)
        self.processes: list[Process] = []
        self.wall_off_s = 0.0
        self.is_stormy = False
        self._on_show, self._on_change = on_show, on_change
        self._draw = world.chances("centre")
        self._number = 0
        self._ends_at_s: dict[IncidentId, float] = {}
        """When, by the world's own time, the clock of each incident was to run out."""
        self._numbers: dict[tuple[str, str | None], set[int]] = {}
        self.changed_at_s = 0.0
        world.on_task = _of_process

    # --- processes -----------------------------------------------------------------------------------------------

    def start(self, instance: str) -> Process:
        """A new process of an instance."""
        self._number += 1
        process = Process(self, self._number, instance)
        process.trouble.is_stormy = self.is_stormy
        self.processes.append(process)
        process.start()
        return process

    def alive(self) -> list[Process]:
        return [each for each in self.processes if not each.is_dead]

    def leader(self) -> Process | None:
        """Who leads and is awake."""
        return next((each for each in self.alive() if each.is_leading and not each.is_frozen), None)

    def is_last_of(self, process: Process) -> bool:
        """Whether no other process of the same instance lives."""
        return not any(each is not process and each.instance == process.instance for each in self.alive())

    def died(self, process: Process) -> None:
        """A process is gone; unless another stands by, it is started anew soon."""
        self.processes.remove(process)
        if not self.alive():
            self.world.later(self._draw.uniform(*RESTARTS_AFTER_S), lambda: self._restart(process.instance))

    def expect_service(self) -> None:
        """It is back within seconds, whatever happened."""
        if not self.is_stormy and self.leader() is None:
            self.world.story.breach("nobody leads, long after all was well")

    def leave_one(self) -> None:
        """End every process but one: who leads stays, else the newest."""
        stays = self.leader() or next((each for each in reversed(self.alive())), None)
        for process in self.alive():
            if process is not stays:
                process.kill("no longer needed")
        if stays is not None:
            stays.thaw()

    def _restart(self, instance: str) -> None:
        if not self.alive():
            self.start(instance)

    # --- what is let out -----------------------------------------------------------------------------------------

    def acknowledged(self, process: Process, topic: str, payload: bytes) -> None:
        """Promise 6, first half: nothing is acknowledged to the broker before it is durable."""
        for heard in kinds.decode(topic, payload, process.clock.now()):
            if isinstance(heard, Alarm):
                is_safe = (heard.terminal_id, heard.alarm_id, heard.digest.hex()) in self.mirror.alarms
            else:
                is_safe = payload.hex() in self.mirror.parked
            process.tell(f"PUBACK {topic.split('/')[3]} {getattr(heard, 'alarm_id', '')}")
            if not is_safe:
                self.world.story.breach(f"6: acknowledged before it was durable: {topic} {payload[:80]!r}")

    def published(self, process: Process, topic: str, payload: bytes) -> None:
        """Promises 5 and 6: what is sent was committed, and `stored` is said of what is durable.

        In order for each recipient is what the leader itself decided, before and after a restart. What another process
        commits beside it is found up to a second later, and its number says that it is older.
        """
        receipt, terminal_id = msgspec.json.decode(payload), topic.split("/")[3]
        alarm_id, n, stage = receipt["alarm_id"], receipt["n"], receipt["stage"]
        process.tell(f"receipt {terminal_id} {alarm_id} {stage} n={n}")
        self._expect_leader(process)
        self.mirror.handed.add((terminal_id, alarm_id, n, stage))
        sent = self._numbers.setdefault((terminal_id, receipt.get("incident_id")), set())
        is_ours = self.mirror.receipts.get((terminal_id, alarm_id, n, stage), False)
        if is_ours and n not in sent and n < max(sent, default=0):
            self.world.story.breach(f"5: receipt {n} of {alarm_id} to {terminal_id} came after {max(sent)}")
        sent.add(n)
        if (terminal_id, alarm_id, n, stage) not in self.mirror.receipts:
            self.world.story.breach(f"5: sent what was not committed: {stage} of {alarm_id} to {terminal_id}")
        if not any(key[:2] == (terminal_id, alarm_id) for key in self.mirror.alarms):
            self.world.story.breach(f"6: said {stage} of what is not durable: {alarm_id} of {terminal_id}")

    def show(self, process: Process, worker_id: WorkerId) -> bool:
        """Promise 5: a page is shown only about what was committed."""
        process.tell(f"shows {worker_id} the page")
        if worker_id not in self.mirror.told:
            self.world.story.breach(f"5: {worker_id} was shown what was not committed")
        self._expect_leader(process)
        is_shown = self._on_show(worker_id)
        if is_shown:
            self.mirror.shown.add(worker_id)
        return is_shown

    def _expect_leader(self, process: Process) -> None:
        """Promise 8: who was overtaken sends nothing."""
        if process.lease.term != self.mirror.term:
            self.world.story.breach(f"8: {process.name} sends under term {process.lease.term} of {self.mirror.term}")

    # --- what is kept --------------------------------------------------------------------------------------------

    def _changed(self, before: Incident | None, after: Incident, who: str) -> None:
        self.changed_at_s = self.world.now_s
        at = due_at(after)
        process = next((each for each in self.processes if each.name == who), None)
        if at is not None and process is not None and (before is None or due_at(before) != at):
            self._watch(before, after, at, (at - process.clock.now()).total_seconds())
        self._on_change(before, after)

    def _watch(self, before: Incident | None, after: Incident, at: datetime, left_s: float) -> None:
        """Have a look at a clock when it must have fired. One that was only set back has as long to go as before."""
        ends_at_s = self.world.now_s + left_s
        if before is not None and _as_it_stood(before) == _as_it_stood(after):
            early_s = self._ends_at_s.get(after.id, ends_at_s) - ends_at_s
            if early_s > SET_BACK_WITHIN_S:
                self.world.story.breach(f"2: the clocks of {after.id} were set back, and run out {early_s:.0f} s early")
        self._ends_at_s[after.id] = ends_at_s
        self.world.later(max(0.0, left_s) + FIRES_WITHIN_S, lambda: self._must_have_fired(after, at))

    def _must_have_fired(self, incident: Incident, at: datetime) -> None:
        """Promise 2: a clock fires within its time, counted from when the service was able to."""
        if due_at(self.mirror.incidents[incident.id]) != at:
            return
        leader = self.leader()
        if leader is None or leader.hanging or self.is_stormy:
            self.world.later(AFTER_TROUBLE_S, lambda: self._must_have_fired(incident, at))
            return
        late_s = (leader.clock.now() - at).total_seconds()
        well_s = self.world.now_s - leader.well_since_s
        if late_s < FIRES_WITHIN_S or well_s < AFTER_TROUBLE_S:
            wait_s = max(FIRES_WITHIN_S - late_s, AFTER_TROUBLE_S - well_s)
            self.world.later(wait_s, lambda: self._must_have_fired(incident, at))
            return
        self.world.story.breach(f"2: a clock of {incident.id} ran out {late_s:.1f} s ago and has not fired")

    def next_due_in_s(self) -> float | None:
        """Seconds until the earliest clock of all runs out."""
        process = self.leader()
        if process is None or not self.mirror.due:
            return None
        return (min(self.mirror.due.values()) - process.clock.now()) / timedelta(seconds=1)


def _as_it_stood(incident: Incident) -> tuple[object, ...]:
    """Everything that an event changes at least something of; clocks alone are changed by setting them back."""
    states = tuple((each.id, each.state, each.overdue, each.seen_at) for each in incident.assignments)
    said = incident.receipt_n, incident.alarms, incident.answered_at, incident.cancelled_at, incident.callers
    return incident.state, incident.level, incident.step, incident.nobody, incident.hands, *said, states


def _of_process(task: asyncio.Task[Any]) -> None:
    """A task belongs to the process in whose task it began."""
    process = WHO.get()
    if process is not None:
        process.tasks.add(task)
        task.add_done_callback(process.tasks.discard)
