"""`press`: how long after a press the terminal hears `stored`, and the worker's phone shows the offer.

Blocks of presses alternate with probes of the floor at the same rate, so that both see the same machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.figures import circumstances, p50_p99, percentile
from benchmarks.floor import Floor, floor
from benchmarks.processes import LoadProcess, Meter, allow_open_files, load_process
from benchmarks.stand import stand

if TYPE_CHECKING:
    from dispatch.clock import Clock

BLOCK = 100
PROBES = 20
SPARE_WORKERS = 100
BLOCK_WITHIN_S = 20.0
AIM_MAX = 2.5


@dataclass(frozen=True)
class Plan:
    """How many presses, at how many a second."""

    presses: int = 2_000
    rate_per_s: float = 20.0


class Answers:
    """Milliseconds from each press to what came of it; None for what never came."""

    def __init__(self) -> None:
        self.stored_ms: list[float | None] = []
        self.offered_ms: list[float | None] = []
        self.accepted = self.refused = 0

    def add(self, answer: dict[str, Any]) -> None:
        """Take in one block."""
        self.stored_ms += answer["stored_ms"]
        self.offered_ms += answer["offered_ms"]
        self.accepted, self.refused = answer["accepted"], answer["refused"]


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run the whole measurement. Raises Refused or Unreachable."""
    workers = plan.presses + SPARE_WORKERS
    allow_open_files(plan.presses + workers)
    async with stand(clock) as on, load_process() as load, floor(on) as below:
        await on.make_template(plan.presses, workers)
        async with on.database("press") as dsn, on.service(dsn) as service:
            await load.ask("connect", mqtt_port=on.broker.port, terminals=plan.presses)
            await load.ask("open_phones", url=service.url, workers=workers)
            await on.checkpoint()
            meter = Meter(service.child.pid, on.broker.pid, on.postgres.pid, load)
            answers = await _alternate(plan, load, below)
            used = meter.read()
    return _result(plan, answers, below) | used | circumstances(clock)


async def _alternate(plan: Plan, load: LoadProcess, below: Floor) -> Answers:
    answers = Answers()
    for first in range(0, plan.presses, BLOCK):
        count = min(BLOCK, plan.presses - first)
        block = {"first": first, "count": count, "rate_per_s": plan.rate_per_s, "within_s": BLOCK_WITHIN_S}
        answers.add(await load.ask("press_paced", **block))
        await below.probe(PROBES, plan.rate_per_s)
    return answers


def _result(plan: Plan, answers: Answers, below: Floor) -> dict[str, Any]:
    stored_ms = [each for each in answers.stored_ms if each is not None]
    offered_ms = [each for each in answers.offered_ms if each is not None]
    floor_ms = percentile(below.message_ms, 0.5) + percentile(below.commit_ms, 0.5)
    ours_ms = percentile(stored_ms, 0.5) if stored_ms else None
    ratio = ours_ms / floor_ms if ours_ms else None
    return {
        "name": "press",
        "presses": plan.presses,
        "rate_per_s": plan.rate_per_s,
        "stored": len(stored_ms),
        "offered": len(offered_ms),
        "accepted": answers.accepted,
        **p50_p99("stored", stored_ms),
        **p50_p99("offered", offered_ms),
        **p50_p99("floor_message", below.message_ms),
        **p50_p99("floor_commit", below.commit_ms),
        "floor_p50_ms": round(floor_ms, 2),
        "unit": "ms",
        "ours": ours_ms and round(ours_ms, 2),
        "peer": round(floor_ms, 2),
        "ratio": ratio and round(ratio, 2),
        "aim": f"<= {AIM_MAX}",
        "met": ratio is not None and ratio <= AIM_MAX and len(stored_ms) == len(offered_ms) == plan.presses,
    }
