"""`deadlines`: a hundred thousand clocks run, ten thousand of them run out; how fast, how exactly, how late.

Three ways: all in one moment, which gives the rate; once within five seconds; and half as many a thousand a second, for
the lateness. A step counts when it is committed: whoever reads the log sees it. Beside the first way pgqueuer, which
executes as many due jobs that do nothing, with as many armed for later.
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.armed import Watcher, arm
from benchmarks.figures import Rounds, circumstances, p50_p99
from benchmarks.processes import LoadProcess, Meter, load_process
from benchmarks.register import home_of
from benchmarks.service_says import counter
from benchmarks.stand import CENTRE, Stand, stand
from dispatch.clock import limit

if TYPE_CHECKING:
    from dispatch.clock import Clock

RATE_AIM_MIN = 1.0
LATE_AIM_MAX_MS = 250.0
LATE_AT_PER_S = 1_000
ALL_WITHIN_S = 5.0
"""The middle way: all of them within so long."""

AHEAD_S = 1.5
"""Clocks are set so far ahead: longer than the service goes without looking for earlier ones."""

WITHIN_S = 60.0
LOOK_EVERY_S = 0.01
JOBS_AT_ONCE = 500
"""The peer's batch, the best of those tried: by itself it takes ten, and is slower."""


@dataclass(frozen=True)
class Plan:
    """How many clocks run, how many run out each time, and how often they do so in one moment."""

    armed: int = 100_000
    due: int = 10_000
    rounds: int = 5
    jobs_at_once: int = JOBS_AT_ONCE


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all rounds. Raises Refused or Unreachable."""
    rounds = Rounds()
    async with (
        stand(clock) as on,
        load_process("benchmarks.stream") as load,
        load_process("benchmarks.pgqueuer_peer") as peer,
    ):
        await on.make_template(plan.armed + 1, 0)
        jobs = await on.postgres.create_database("jobs")
        durability = (await peer.ask("prepare", dsn=jobs, armed=plan.armed))["durability"]
        async with on.database("deadlines") as dsn:
            await _open_one(on, load, dsn)
            await arm(dsn, plan.armed, 1, clock.now())
            await _all_ways(plan, on, load, peer, (dsn, jobs), rounds)
    return _result(plan, rounds, durability) | circumstances(clock)


async def _open_one(on: Stand, load: LoadProcess, dsn: str) -> None:
    """The call that all others are copies of."""
    async with on.service(dsn) as service:
        await load.ask("connect", mqtt_port=on.broker.port, publishers=1)
        await load.ask("publish", what="family", centre_id=CENTRE, terminals=1, count=1, mark="first")
        async with limit(WITHIN_S):
            while not await counter(service.url, "dispatch_incidents_opened_total"):
                await on.clock.sleep(LOOK_EVERY_S)


async def _all_ways(
    plan: Plan,
    on: Stand,
    load: LoadProcess,
    peer: LoadProcess,
    dsns: tuple[str, str],
    rounds: Rounds,
) -> None:
    dsn, jobs = dsns
    async with on.service(dsn) as service:
        connection = await asyncpg.connect(dsn, timeout=10)
        bench = _Bench(Watcher(connection), on.clock)
        try:
            for _ in range(plan.rounds):
                meter = Meter(service.child.pid, on.broker.pid, on.postgres.pid, load)
                rate, _late = await bench.run_out(plan.due, 0.0)
                rounds.add(ours=rate, **meter.read())
                rounds.add(**await _peers(plan, peer, jobs))
                await on.checkpoint()
                _say(rounds)
            for _ in range(plan.rounds):
                rate, late_ms = await bench.run_out(plan.due, ALL_WITHIN_S)
                rounds.add(within_5_s_steps_per_s=rate, **p50_p99("late_within_5_s", late_ms))
            for _ in range(plan.rounds):
                _, late_ms = await bench.run_out(plan.due // 2, plan.due / 2 / LATE_AT_PER_S)
                rounds.add(**p50_p99("late_at_1000_per_s", late_ms), late_at_1000_per_s_max_ms=max(late_ms))
            rounds.missing += bench.wrong
            rounds.add(messages_per_step=await bench.messages_per_step())
        finally:
            await connection.close(timeout=5)


async def _peers(plan: Plan, peer: LoadProcess, jobs: str) -> dict[str, float]:
    before_s = peer.cpu_s
    answer = await peer.ask("execute", dsn=jobs, jobs=plan.due, batch_size=plan.jobs_at_once)
    assert answer["executed"] == plan.due
    assert answer["left"] == 0
    return {"peer": plan.due / (answer["ended_s"] - answer["began_s"]), "pgqueuer_cpu_s": peer.cpu_s - before_s}


class _Bench:
    """Lets clocks run out, each only once; `wrong` counts steps that were not taken, or taken twice."""

    def __init__(self, watcher: Watcher, clock: Clock) -> None:
        self._watcher, self._clock = watcher, clock
        self._next = 1
        self._steps = 0
        self.wrong = 0

    async def run_out(self, due: int, over_s: float) -> tuple[float, list[float]]:
        """Let so many clocks run out over so long: steps a second from the first on, and milliseconds of lateness."""
        clock = self._clock
        homes = [home_of(n) for n in range(self._next, self._next + due)]
        self._next += due
        begins_at = clock.now() + timedelta(seconds=AHEAD_S)
        due_at = [begins_at + timedelta(seconds=over_s * n / due) for n in range(due)]
        await self._watcher.set_due(homes, due_at)
        seen = await self._watch(dict(zip(homes, due_at, strict=True)))
        last_at = max(at for at, _ in seen)
        await self._watcher.put_off(clock.now())
        seen += [(last_at, home) for home in await self._watcher.taken()]  # whatever was taken a second time
        times = Counter(home for _, home in seen)
        self.wrong += sum(times[home] != 1 for home in homes)
        self._steps += len(seen)
        late_ms = [1000 * (at - due_at[int(home[1:]) - self._next + due]).total_seconds() for at, home in seen]
        return due / (last_at - begins_at).total_seconds(), late_ms

    async def _watch(self, due: dict[str, datetime]) -> list[tuple[datetime, str]]:
        """Each step with the instant it was seen; returns when all were, or the time is over."""
        seen: list[tuple[datetime, str]] = []
        try:
            async with limit(WITHIN_S):
                while len(seen) < len(due):
                    taken = await self._watcher.taken()
                    now = self._clock.now()
                    seen += [(now, home) for home in taken]
                    await self._clock.sleep(LOOK_EVERY_S)
        except TimeoutError:
            pass  # what is missing is counted as such
        return seen

    async def messages_per_step(self) -> float:
        """How many messages to people each step has written."""
        return await self._watcher.told() / self._steps


def _say(rounds: Rounds) -> None:
    print(f"deadlines: ours {rounds.last('ours'):,.0f}, pgqueuer {rounds.last('peer'):,.0f} steps/s", file=sys.stderr)


def _result(plan: Plan, rounds: Rounds, durability: str) -> dict[str, Any]:
    ours, peer = rounds.middle("ours"), rounds.middle("peer")
    in_time = rounds.middle("late_at_1000_per_s_p99_ms") <= LATE_AIM_MAX_MS
    return {
        "name": "deadlines",
        "armed": plan.armed,
        "due": plan.due,
        "rounds": plan.rounds,
        "missing_or_doubled": rounds.missing,
        **rounds.middles("_ms"),
        "within_5_s_steps_per_s": rounds.middle("within_5_s_steps_per_s"),
        "messages_per_step": rounds.middle("messages_per_step"),
        "unit": "steps_per_s",
        "ours": ours,
        "ours_by_round": rounds.rounded("ours"),
        "peer": peer,
        "peer_by_round": rounds.rounded("peer"),
        "pgqueuer": {"batch_size": plan.jobs_at_once, "durability": durability},
        "ratio": round(ours / peer, 2),
        "aim": f">= {RATE_AIM_MIN} x pgqueuer, and late_at_1000_per_s_p99_ms <= {LATE_AIM_MAX_MS}",
        "met": rounds.missing == 0 and ours >= RATE_AIM_MIN * peer and in_time,
        **rounds.middles("_cpu_s"),
    }
