"""`route`: how long ranking takes for one incident, reasons included, while a thousand positions a second come in.

Beside it the question that one would ask PostgreSQL instead: the nearest dozen by a GiST index, with the same
eligibility and the same positions coming in. It knows metres only, where ours knows how each of them travels, how old
the position is, and says why. Both are asked in turns: at the same quiet pace, which is what `ratio` compares, and back
to back. Ours runs in this process, as in the service.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmarks.figures import circumstances, median, percentile
from benchmarks.moving import MOVES_PER_S, WISH, InMemory, InPostgres, door, in_postgres
from benchmarks.processes import cpu_s
from dispatch.router.nearest import rank
from simulator.servers import PostgresServer

if TYPE_CHECKING:
    from dispatch.clock import Clock

AT, LARGE = 3_900, 100_000
FASTER_AIM_MIN = 3.0
LARGE_AIM_MAX_MS = 5.0
AT_ONCE = math.inf
"""Rankings a second without a rest: caches are warm and nobody has to be woken, as in a surge."""

PICKS = 2
"""As many as the default policy asks for an SOS."""


@dataclass(frozen=True)
class Plan:
    """How many rankings a round and how many a second, in how many rounds, among how many workers each."""

    rankings: int = 400
    rate_per_s: float = 200.0
    rounds: int = 5
    sizes: tuple[int, ...] = (AT, 20_000, LARGE)


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all sizes. Raises Refused or Unreachable."""
    used_s = cpu_s(os.getpid()) or 0.0
    async with PostgresServer() as postgres:
        growth = []
        for size in plan.sizes:
            dsn = await postgres.create_database(f"route{size}")
            growth.append(await _size(plan, size, dsn, clock))
            _print_growth(growth)
            await postgres.drop_database(f"route{size}")
    used = {"load_generator_cpu_s": round((cpu_s(os.getpid()) or 0.0) - used_s, 2)}  # ours and the moving are in it
    return _result(plan, growth) | used | circumstances(clock)


async def _size(plan: Plan, size: int, dsn: str, clock: Clock) -> dict[str, Any]:
    ours = InMemory(size, clock)
    rounds: dict[str, list[float]] = {}
    async with in_postgres(dsn, size, clock.now()) as peer:
        for number in range(-1, plan.rounds):
            first = (number + 1) * plan.rankings
            hurried = replace(plan, rate_per_s=AT_ONCE)
            taken = {
                "ours": await _ours_ms(plan, ours, first, clock),
                "peer": await _peer_ms(plan, peer, first, clock),
                "ours_back_to_back": await _ours_ms(hurried, ours, first, clock),
                "peer_back_to_back": await _peer_ms(hurried, peer, first, clock),
            }
            if number < 0:
                continue  # to get warm
            for name, values_ms in taken.items():
                rounds.setdefault(f"{name}_p50_ms", []).append(percentile(values_ms, 0.50))
                rounds.setdefault(f"{name}_p99_ms", []).append(percentile(values_ms, 0.99))
        return {
            "workers": size,
            **{name: median(values_ms, 3) for name, values_ms in rounds.items()},
            "ours_eligible": _eligible(ours, clock),
            "peer_eligible": await peer.eligible(),
            "ours_moves": ours.moves,
            "peer_moves": peer.moves,
            "peer_plan": await peer.plan(),
        }


def _eligible(ours: InMemory, clock: Clock) -> int:
    ranking = rank(ours.crew, door(0), WISH, clock.now(), PICKS)
    return ranking.counts.get("farther", 0) + sum(each.is_eligible for each in ranking.candidates)


async def _ours_ms(plan: Plan, ours: InMemory, first: int, clock: Clock) -> list[float]:
    """Milliseconds of each ranking; positions are taken in between, as they are due."""
    taken_ms = []
    start_s, moved = clock.elapsed(), 0
    for n in range(plan.rankings):
        await clock.sleep(max(0.0, start_s + n / plan.rate_per_s - clock.elapsed()))
        due = int((clock.elapsed() - start_s) * MOVES_PER_S) - moved
        ours.move(due)
        moved += due
        where, now = door(first + n), clock.now()
        began_s = clock.elapsed()
        ranking = rank(ours.crew, where, WISH, now, PICKS)
        taken_ms.append(1000 * (clock.elapsed() - began_s))
        assert len(ranking.candidates) == 12
    return taken_ms


async def _peer_ms(plan: Plan, peer: InPostgres, first: int, clock: Clock) -> list[float]:
    """Milliseconds of each query; positions come in over a connection of their own."""
    moving = asyncio.create_task(peer.keep_moving(clock))
    taken_ms = []
    start_s = clock.elapsed()
    try:
        for n in range(plan.rankings):
            await clock.sleep(max(0.0, start_s + n / plan.rate_per_s - clock.elapsed()))
            where = door(first + n)
            began_s = clock.elapsed()
            rows = await peer.ask(where)
            taken_ms.append(1000 * (clock.elapsed() - began_s))
            assert len(rows) == 12
    finally:
        moving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await moving
    return taken_ms


def _print_growth(growth: list[dict[str, Any]]) -> None:
    """One line for the last size, as it is known."""
    least, last = growth[0], growth[-1]
    grown = ", ".join(f"{name} × {last[f'{name}_p50_ms'] / least[f'{name}_p50_ms']:.1f}" for name in ("ours", "peer"))
    print(
        f"{last['workers']:>7} workers (× {last['workers'] / least['workers']:.1f}): ours {last['ours_p50_ms']} ms, "
        f"GiST {last['peer_p50_ms']} ms; {grown}",
        file=sys.stderr,
    )


def _result(plan: Plan, growth: list[dict[str, Any]]) -> dict[str, Any]:
    by_size = {each["workers"]: each for each in growth}
    at, large = by_size.get(AT, growth[0]), by_size.get(LARGE, growth[-1])
    ratio = at["peer_p50_ms"] / at["ours_p50_ms"]
    is_alike = all(each["ours_eligible"] == each["peer_eligible"] for each in growth)
    is_measured = AT in by_size and LARGE in by_size
    return {
        "name": "route",
        "rounds": plan.rounds,
        "rankings_per_round": plan.rankings,
        "rankings_per_s": plan.rate_per_s,
        "moves_per_s": MOVES_PER_S,
        "workers": at["workers"],
        "rank_p50_ms": at["ours_p50_ms"],
        "rank_p99_ms": at["ours_p99_ms"],
        "gist_p50_ms": at["peer_p50_ms"],
        "gist_p99_ms": at["peer_p99_ms"],
        "back_to_back_rank_p50_ms": at["ours_back_to_back_p50_ms"],
        "back_to_back_gist_p50_ms": at["peer_back_to_back_p50_ms"],
        "back_to_back_ratio": round(at["peer_back_to_back_p50_ms"] / at["ours_back_to_back_p50_ms"], 2),
        "large_workers": large["workers"],
        "large_rank_p50_ms": large["ours_p50_ms"],
        "large_rank_p99_ms": large["ours_p99_ms"],
        "growth": growth,
        "unit": "ms",
        "ours": at["ours_p50_ms"],
        "peer": at["peer_p50_ms"],
        "ratio": round(ratio, 2),
        "aim": f">= {FASTER_AIM_MIN} x faster than GiST at {AT}, and < {LARGE_AIM_MAX_MS} ms at {LARGE}",
        "met": is_measured and is_alike and ratio >= FASTER_AIM_MIN and large["ours_p50_ms"] < LARGE_AIM_MAX_MS,
    }
