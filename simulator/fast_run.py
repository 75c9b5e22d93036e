"""Running `simulator fast`: a database of its own, a progress bar, and one line of JSON at the end."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from dispatch.clock import SystemClock
from dispatch.incident.policy import Policies, read_policies
from dispatch.store.database import migrate
from simulator.fast import FastTown, Played, Script
from simulator.loading import load
from simulator.servers import PostgresServer
from simulator.town import Size, build

if TYPE_CHECKING:
    from simulator.town import Town


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    seed: int
    hours: float
    size: Size
    policy_file: Path | None = None


def policies_of(file: Path | None) -> Policies:
    """The policies of a file, or the default ones. Raises BadSettings."""
    if file is not None:
        return read_policies(file.read_text(encoding="utf-8"), str(file))
    text = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
    return read_policies(text, "default_policy.toml")


async def run(options: Options) -> int:
    """Play, and return the exit code: 0 if nothing was lost, doubled or broken."""
    policies, town, clock = policies_of(options.policy_file), build(options.seed, options.size), SystemClock()
    started_s = clock.elapsed()
    async with PostgresServer() as postgres:
        dsn = await postgres.create_database("fast")
        await migrate(dsn)
        await load(town, dsn)
        played = await _with_progress(town, options, policies, dsn)
    for line in (*played.lines, *played.broken):
        print(line, file=sys.stderr)
    answer = played.tally.as_dict() | {
        "seed": options.seed,
        "hours": options.hours,
        "crashes": played.crashes,
        "events": played.events,
        "digest": played.digest,
        "wall_s": round(clock.elapsed() - started_s, 1),
    }
    print(json.dumps(answer), flush=True)
    return 1 if is_bad(played) else 0


def is_bad(played: Played) -> bool:
    """Whether anything was lost, doubled or broken, or a press never heard that it is stored."""
    result = played.tally
    return bool(result.lost or result.duplicates or result.invariant_violations or result.stored < result.pressed)


async def _with_progress(town: Town, options: Options, policies: Policies, dsn: str) -> Played:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.1f} h"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        script = Script(seed=options.seed, hours=options.hours)
        bar = progress.add_task(f"seed {options.seed}", total=script.hours + script.wind_down_s / 3600)
        play = FastTown(town, script, policies, dsn)
        return await play.play(lambda hours: progress.update(bar, completed=hours))
