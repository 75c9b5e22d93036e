"""A run of the live town that is counted at the end: what `simulator live` and the headless demo have in common."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from simulator.live import Cast, LiveTown, look, watch
from simulator.loading import load
from simulator.tally import Tally, failures, tally
from simulator.tickets import let_in_operator, let_in_workers

if TYPE_CHECKING:
    from collections.abc import Collection

    from dispatch.clock import Clock
    from dispatch.model import WorkerId
    from simulator.happenings import Weather
    from simulator.people import Habits
    from simulator.reach import Reach
    from simulator.town import Town

PRESSED_SHARE = 0.6
"""Of a run's time: afterwards nobody presses, so that the last calls can be attended and closed."""

STORED_WITHIN_S = 10.0
TOLD_MAX = 20
"""Broken invariants that are told one by one; the count is told in any case."""

PASSWORD = "onekey-demo"  # noqa: S105 - of invented people, told to everybody
OPERATORS = ("operator-1", "operator-2")


@dataclass(frozen=True)
class Run:
    """A town against a service: where that is, its database, and how long people press and act."""

    town: Town
    reach: Reach
    dsn: str
    seed: int
    seconds: float


async def cast_of(
    run: Run, clock: Clock, *, terminals: int, habits: Habits, weather: Weather, left_out: Collection[WorkerId] = ()
) -> Cast:
    """Everybody who plays, with links into the service; the town must be in its register."""
    connection = await asyncpg.connect(run.dsn, timeout=5)
    try:
        played = [worker.id for worker in run.town.workers if worker.id not in left_out]
        workers = await let_in_workers(connection, clock, played)
        operators = [await let_in_operator(connection, clock, name, PASSWORD) for name in OPERATORS]
    finally:
        await connection.close(timeout=2)
    return Cast(
        terminals=[terminal.id for terminal in run.town.terminals[:terminals]],
        worker_tokens=workers,
        operator_tokens=operators,
        habits=habits,
        weather=weather,
    )


async def play_and_count(run: Run, cast: Cast, clock: Clock) -> tuple[Tally, list[str]]:
    """Let the town play; what came of it, and a line for each thing that is wrong."""
    since, broken = clock.now(), set[str]()
    async with AsyncExitStack() as stack:
        live = await stack.enter_async_context(LiveTown(run.town, cast, run.reach, clock, run.seed))
        watching = asyncio.ensure_future(watch(run.dsn, clock, broken))
        stack.callback(watching.cancel)
        say(f"{len(cast.terminals)} terminals and {len(cast.worker_tokens)} workers for {run.seconds:g} s")
        await _play(live, clock, run.seconds)
        broken.update(await look(run.dsn, clock))
        connection = await asyncpg.connect(run.dsn, timeout=5)
        stack.push_async_callback(connection.close, timeout=2)
        result, lines = await tally(connection, live.account(), broken, since)
    return result, [*lines, *sorted(broken)[:TOLD_MAX]]


async def _play(live: LiveTown, clock: Clock, seconds: float) -> None:
    await live.until_connected(STORED_WITHIN_S)
    ends_s = clock.elapsed() + seconds
    await live.run(seconds * PRESSED_SHARE)
    await clock.sleep(ends_s - clock.elapsed())
    if not await live.until_stored(STORED_WITHIN_S):
        say("some terminals still have not heard that their call is stored")


async def against_running(
    run: Run, clock: Clock, *, terminals: int, habits: Habits, weather: Weather, is_long_enough: bool
) -> int:
    """`simulator live`: load the town into a running service's register, play, and print one line of JSON.

    Returns 0 if nothing was lost, doubled or broken (and, when long enough, everything was seen once).
    """
    await load(run.town, run.dsn)
    cast = await cast_of(run, clock, terminals=terminals, habits=habits, weather=weather)
    return report(*await play_and_count(run, cast, clock), must_be_worth=is_long_enough)


def report(result: Tally, lines: list[str], *, must_be_worth: bool = True) -> int:
    """Say what is wrong, print the sum as the last line, and return the exit code."""
    wrong = failures(result, must_be_worth=must_be_worth)
    for line in [*lines, *wrong]:
        say(line)
    print(json.dumps(result.as_dict()), flush=True)
    return 1 if wrong else 0


def say(line: str) -> None:
    """A line for whoever watches; the sum alone goes to standard output."""
    print(f"simulator: {line}", file=sys.stderr, flush=True)
