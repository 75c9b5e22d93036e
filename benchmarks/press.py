"""`press`: how long after a press the terminal hears `stored`, and the worker's phone shows the offer.

Each round has presses while nothing else comes, probes of the floor at the same rate, so that both see the same
machine, and presses while readings come at half of what the service takes at best, measured before.
"""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import Rounds, circumstances, p50_p99, percentile
from benchmarks.floor import Floor, floor
from benchmarks.processes import LoadProcess, Meter, allow_open_files, load_process
from benchmarks.readings import Readings
from benchmarks.stand import Service, Stand, stand

if TYPE_CHECKING:
    from dispatch.clock import Clock

PROBES = 40
SPARE_WORKERS = 100
BLOCK_WITHIN_S = 20.0
AIM_MAX = 2.5
LOADED_AIM_MAX = 3.0
SHARE_OF_TOP = 0.5
TOPICS = 1_000
PUBLISHERS = 10
COUNT = "SELECT count(*) FROM vitals"


@dataclass(frozen=True)
class Plan:
    """How many presses idle, and as many while readings come, at how many a second, in how many rounds.

    `readings_per_s` come meanwhile; None: half of the rate at full speed, in rounds of `top_readings`.
    """

    presses: int = 1_000
    rate_per_s: float = 20.0
    rounds: int = 5
    readings_per_s: float | None = None
    top_readings: int = 50_000

    @property
    def block(self) -> int:
        """Presses of one kind in a round."""
        return max(1, self.presses // self.rounds)

    @property
    def pressed(self) -> int:
        """Presses of one kind, which is a little less where rounds do not come out even."""
        return self.block * self.rounds


@dataclass
class Answers:
    """Milliseconds from each press to what came of it, round by round; what never came is missing."""

    stored_ms: list[list[float]] = field(default_factory=list)
    offered_ms: list[list[float]] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        """Take in one block."""
        self.stored_ms.append([each for each in answer["stored_ms"] if each is not None])
        self.offered_ms.append([each for each in answer["offered_ms"] if each is not None])

    def figures(self, prefix: str) -> dict[str, Any]:
        """Medians of the rounds, and the 99 % and the most of all presses together."""
        told: dict[str, Any] = {}
        for name, rounds in ((f"{prefix}stored", self.stored_ms), (f"{prefix}offered", self.offered_ms)):
            middle, together = Rounds(), [each for some in rounds for each in some]
            for some in rounds:
                middle.add(**p50_p99(name, some))
            told |= {name: len(together), **middle.middles("_ms")}
            if together:
                told |= {f"{name}_p99_of_all_ms": round(percentile(together, 0.99), 2)}
                told |= {f"{name}_max_ms": round(max(together), 2)}
                told |= {f"{name}_p99_by_round_ms": middle.figures[f"{name}_p99_ms"]}
        return told


@dataclass
class _Bench:
    plan: Plan
    on: Stand
    load: LoadProcess
    stream: LoadProcess
    below: Floor
    service: Service
    idle: Answers = field(default_factory=Answers)
    loaded: Answers = field(default_factory=Answers)
    used: Rounds = field(default_factory=Rounds)
    pressed: int = 0
    refused: int = 0

    async def block(self, answers: Answers, prefix: str) -> None:
        """One block of presses, with what each process used meanwhile, `prefix` before its name."""
        meter = Meter(self.service.child.pid, self.on.broker.pid, self.on.postgres.pid, self.load)
        block = {"first": self.pressed, "count": self.plan.block, "rate_per_s": self.plan.rate_per_s}
        answer = await self.load.ask("press_paced", **block, within_s=BLOCK_WITHIN_S)
        self.pressed += self.plan.block
        self.refused = answer["refused"]
        answers.add(answer)
        self.used.add(**{f"{prefix}{name}": used for name, used in meter.read().items()})


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run the whole measurement. Raises Refused or Unreachable."""
    terminals = 2 * plan.pressed
    workers = terminals + SPARE_WORKERS
    allow_open_files(terminals + workers)
    async with AsyncExitStack() as stack:
        on = await stack.enter_async_context(stand(clock))
        load = await stack.enter_async_context(load_process())
        stream = await stack.enter_async_context(load_process("benchmarks.stream"))
        below = await stack.enter_async_context(floor(on))
        await on.make_template(max(terminals, TOPICS), workers)
        dsn = await stack.enter_async_context(on.database("press"))
        service = await stack.enter_async_context(on.service(dsn))
        await load.ask("connect", mqtt_port=on.broker.port, terminals=terminals)
        await load.ask("open_phones", url=service.url, workers=workers)
        await stream.ask("connect", mqtt_port=on.broker.port, publishers=PUBLISHERS)
        bench = _Bench(plan, on, load, stream, below, service)
        readings = await _rounds(bench)
        readings["readings_missing"] = readings.pop("sent") - await _stored(dsn)
    return _result(bench, readings) | circumstances(clock)


async def _rounds(bench: _Bench) -> dict[str, float]:
    """All rounds: presses alone, the floor, presses among readings. What was said of readings."""
    plan, readings = bench.plan, Readings(bench.on, bench.stream, bench.service, TOPICS)
    top_per_s = None if plan.readings_per_s else await readings.top_per_s(plan.top_readings)
    per_s = plan.readings_per_s or SHARE_OF_TOP * (top_per_s or 0.0)
    for _ in range(plan.rounds):
        await bench.on.checkpoint()
        await bench.block(bench.idle, "")
        await bench.below.probe(PROBES, plan.rate_per_s)
        stream_s = bench.stream.cpu_s
        async with readings.coming(per_s, plan.block / plan.rate_per_s):
            await bench.block(bench.loaded, "loaded_")
        bench.used.add(loaded_readings_generator_cpu_s=bench.stream.cpu_s - stream_s)
        _say(bench, per_s)
    return {"top_readings_per_s": round(top_per_s or 0), "readings_per_s": round(per_s), "sent": readings.sent}


def _say(bench: _Bench, per_s: float) -> None:
    idle, loaded = (p50_p99("stored", answers.stored_ms[-1]) for answers in (bench.idle, bench.loaded))
    said = " / ".join(f"{some['stored_p50_ms']}, {some['stored_p99_ms']} ms" for some in (idle, loaded))
    print(f"press: p50, p99 idle / with {per_s:,.0f} readings a second: {said}", file=sys.stderr)


async def _stored(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(await connection.fetchval(COUNT))
    finally:
        await connection.close(timeout=5)


def _result(bench: _Bench, readings: dict[str, float]) -> dict[str, Any]:
    plan, below = bench.plan, bench.below
    idle, loaded = bench.idle.figures(""), bench.loaded.figures("loaded_")
    floor_ms = percentile(below.message_ms, 0.5) + percentile(below.commit_ms, 0.5)
    ours_ms, idle_ms = idle.get("stored_p50_ms"), idle.get("stored_p99_ms")
    loaded_ms = loaded.get("loaded_stored_p99_ms")
    ratio = ours_ms / floor_ms if ours_ms else None
    loaded_ratio = loaded_ms / idle_ms if loaded_ms and idle_ms else None
    counted = (idle["stored"], idle["offered"], loaded["loaded_stored"], loaded["loaded_offered"])
    is_whole = set(counted) == {plan.pressed} and readings["readings_missing"] == 0
    return {
        "name": "press",
        "presses_idle": plan.pressed,
        "presses_loaded": plan.pressed,
        "rate_per_s": plan.rate_per_s,
        "rounds": plan.rounds,
        **idle,
        **loaded,
        **p50_p99("floor_message", below.message_ms),
        **p50_p99("floor_commit", below.commit_ms),
        "floor_p50_ms": round(floor_ms, 2),
        **readings,
        "unit": "ms",
        "ours": {"idle_p50_ms": ours_ms, "loaded_p99_ms": loaded_ms},
        "peer": {"floor_p50_ms": round(floor_ms, 2), "idle_p99_ms": idle_ms},
        "ratio": {"to_floor": ratio and round(ratio, 2), "loaded_to_idle": loaded_ratio and round(loaded_ratio, 2)},
        "aim": f"idle p50 <= {AIM_MAX} x floor, and p99 while readings come <= {LOADED_AIM_MAX} x idle",
        "met": is_whole
        and ratio is not None
        and ratio <= AIM_MAX
        and loaded_ratio is not None
        and loaded_ratio <= LOADED_AIM_MAX,
        **bench.used.middles("_cpu_s"),
    }
