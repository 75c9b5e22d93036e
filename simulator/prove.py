"""`./run prove`: nothing is lost, doubled or forgotten, whatever breaks. Prints one JSON object last.

What plays seeds; the other parts of the proof (real faults, bad bytes, the soak) have programs of their own.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dispatch.clock import SystemClock
from simulator.proof.seeds import Players, Sum, databases
from simulator.proof.trial import Plan, Verdict

TOLD_MAX = 3
"""Failing seeds whose story is told in full."""
AGAIN = "./run prove --seed {seed}"


@dataclass(frozen=True)
class Wanted:
    """What was asked for. `seed` replays one; `seeds` None is as many as fit into `minutes`."""

    minutes: float = 5.0
    seed: int | None = None
    start_seed: int | None = None
    seeds: int | None = None
    players: int | None = None


def prove(wanted: Wanted) -> int:
    """Play seeds and return the exit code: 0 if all was well."""
    done = simulation(wanted)
    for verdict in done.bad[:TOLD_MAX]:
        tell(verdict)
    print(json.dumps(done.as_dict()), flush=True)
    return 1 if done.bad else 0


def simulation(wanted: Wanted) -> Sum:
    """The deterministic simulation: new seeds for so many minutes, or one again."""
    count = 1 if wanted.seed is not None else wanted.players or len(os.sched_getaffinity(0))
    with asyncio.Runner() as runner:
        on = databases(count)
        dsns = runner.run(on.__aenter__())
        try:
            return _again(wanted.seed, dsns) if wanted.seed is not None else _new_seeds(wanted, dsns)
        finally:
            runner.run(on.__aexit__(None, None, None))


def _again(seed: int, dsns: list[str]) -> Sum:
    """In a process like those that play new seeds, so that it is the very same."""
    done = Sum()

    def tell_all(verdict: Verdict) -> None:
        done.add(verdict)
        if verdict.is_good:
            print("\n".join(verdict.story), file=sys.stderr)
        print(f"digest {verdict.digest}", file=sys.stderr)

    with Players(dsns, Plan()) as players:
        players.play([seed], lambda: True, tell_all)
    return done


def _new_seeds(wanted: Wanted, dsns: list[str]) -> Sum:
    clock, done = SystemClock(), Sum()
    start = wanted.start_seed if wanted.start_seed is not None else int(clock.now().timestamp())
    seeds = itertools.count(start) if wanted.seeds is None else range(start, start + wanted.seeds)
    until_s = clock.elapsed() + wanted.minutes * 60
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, Players(dsns, Plan()) as players:
        bar = progress.add_task(f"seeds from {start}", total=wanted.minutes * 60, told="")

        def count(verdict: Verdict) -> None:
            done.add(verdict)
            told = f"{done.seeds} seeds, {done.virtual_hours:.0f} h, {len(done.bad)} bad"
            left_s = until_s - clock.elapsed()
            progress.update(bar, completed=wanted.minutes * 60 - max(0.0, left_s), told=told)

        players.play(seeds, lambda: clock.elapsed() < until_s, count)
    return done


def tell(verdict: Verdict) -> None:
    """The story of a seed that failed, and how to see it again."""
    for line in verdict.story:
        print(line, file=sys.stderr)
    for name in ("lost", "duplicated", "violations"):
        for each in getattr(verdict, name):
            print(f"{name}: {each}", file=sys.stderr)
    print(f"seed {verdict.seed} failed; again: {AGAIN.format(seed=verdict.seed)}\n", file=sys.stderr)
