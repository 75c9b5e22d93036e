"""`growth`: what one reading, one press and one ranking cost in a small city and in a large one.

The same readings and presses as everywhere, in cities of three sizes: readings come from all of the registered
terminals in turn, presses from some thousands in one moment. Rankings are those of `route`, among three crews.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks import route, surge
from benchmarks.figures import Rounds, circumstances
from benchmarks.processes import Meter, allow_open_files, load_process, memory_mb
from benchmarks.readings import Readings
from benchmarks.stand import stand

if TYPE_CHECKING:
    from benchmarks.stand import Stand
    from dispatch.clock import Clock

PUBLISHERS = 10
WARM = 10
"""Before the rounds comes one with so many times fewer readings."""

PARTS = ("vitals", "surge", "route")


@dataclass(frozen=True)
class Plan:
    """Which parts, how many terminals are registered, how many readings and presses a round, how many rounds."""

    parts: tuple[str, ...] = PARTS
    sizes: tuple[int, ...] = (4_000, 40_000, 400_000)
    readings: int = 80_000
    presses: int = 4_000
    workers: int = 3_900
    rounds: int = 5
    crews: route.Plan = field(default_factory=route.Plan)


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all parts at all sizes. Raises Refused or Unreachable."""
    allow_open_files(plan.presses)
    parts = []
    async with stand(clock) as on:
        if "vitals" in plan.parts:
            told = [await _vitals(plan, on, size) for size in plan.sizes]
            parts.append(_said("vitals", "a reading, at full speed", "µs", told))
        if "surge" in plan.parts:
            told = [await _surge(plan, on, size) for size in plan.sizes]
            parts.append(_said("surge", f"a press of {plan.presses:,} at once", "µs", told))
    if "route" in plan.parts:
        parts.append(route_part(await route.measure(plan.crews, clock)))
    return result(plan.rounds, parts) | circumstances(clock)


async def _vitals(plan: Plan, on: Stand, size: int) -> dict[str, Any]:
    rounds = Rounds()
    await on.make_template(size, plan.workers)
    async with (
        load_process("benchmarks.stream") as load,
        on.database(f"growth{size}") as dsn,
        on.service(dsn) as service,
    ):
        await load.ask("connect", mqtt_port=on.broker.port, publishers=PUBLISHERS)
        readings = Readings(on, load, service, size)
        await readings.at_full_speed(plan.readings // WARM)
        for _ in range(plan.rounds):
            await on.checkpoint()
            meter = Meter(service.child.pid, on.broker.pid, on.postgres.pid, load)
            rounds.add(per_s=(await readings.at_full_speed(plan.readings))["stored_per_s"], **meter.read())
        memory = memory_mb(service.child.pid)
    return _told(size, plan.readings, rounds) | {"service_rss_max_mb": memory["rss_max_mb"]}


async def _surge(plan: Plan, on: Stand, size: int) -> dict[str, Any]:
    rounds, of_surge = Rounds(), surge.Plan(min(plan.presses, size), plan.workers, plan.rounds)
    await on.make_template(size, plan.workers)
    async with load_process() as load:
        await load.ask("connect", mqtt_port=on.broker.port, terminals=of_surge.presses)
        for number in range(plan.rounds):
            async with on.database(f"growth{size}") as dsn:
                await surge.press_all(of_surge, on, load, rounds, dsn, f"growth{number}")
    if rounds.missing:
        print(f"growth: {rounds.missing} presses are missing at {size:,}", file=sys.stderr)
    rounds.figures["per_s"] = rounds.figures["ours"]
    return _told(size, of_surge.presses, rounds) | {"missing": rounds.missing}


def _told(size: int, count: int, rounds: Rounds) -> dict[str, Any]:
    """`cost` is the median of microseconds for each; processor seconds are of a round."""
    costs_us = [1e6 / per_s for per_s in rounds.figures["per_s"]]
    cost_us = sorted(costs_us)[len(costs_us) // 2]
    print(f"growth: {size:>7,} registered: {cost_us:.1f} µs each", file=sys.stderr)
    return {
        "size": size,
        "cost": round(cost_us, 2),
        "cost_by_round": [round(each, 1) for each in costs_us],
        "per_s": rounds.middle("per_s"),
        "each_round": count,
        **rounds.middles("_cpu_s"),
    }


def _said(name: str, cost_is: str, unit: str, sizes: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "cost_is": cost_is, "unit": unit, "size_is": "terminals registered", "sizes": sizes}


def route_part(said: dict[str, Any]) -> dict[str, Any]:
    """The growth that `route` has told of."""
    sizes = [
        {"size": at["workers"], "cost": at["ours_p50_ms"], "peer_cost": at["peer_p50_ms"]} for at in said["growth"]
    ]
    part = _said("route", "a ranking, median", "ms", sizes)
    return part | {"size_is": "workers", "peer_is": "GiST query"}


def result(rounds: int, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The bench's object; `ours` is how many times as much each costs at the largest size as at the smallest."""
    grown = {part["name"]: round(part["sizes"][-1]["cost"] / part["sizes"][0]["cost"], 2) for part in parts}
    sizes = {part["name"]: round(part["sizes"][-1]["size"] / part["sizes"][0]["size"], 1) for part in parts}
    return {
        "name": "growth",
        "rounds": rounds,
        "parts": parts,
        "unit": "times as much for each at the largest size",
        "ours": grown,
        "sizes_grow": sizes,
        "peer": None,
        "ratio": None,
        "aim": None,
        "met": None,
    }
