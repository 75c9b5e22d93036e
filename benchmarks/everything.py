"""`all`: every bench one after the other, each in a process of its own, and what came of each aim.

A bench that fails stops nobody: it is told as failed. The register of a whole city is made once, on a PostgreSQL server
that the benches are lent; only `import` and `route`, which begin with nothing, have their own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import charts, growth
from benchmarks.aims import lines_of, table
from benchmarks.figures import circumstances
from benchmarks.lent import lending
from benchmarks.stand import CHECKOUT, LOGS
from dispatch.clock import limit
from dispatch.errors import DispatchError
from simulator.servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dispatch.clock import Clock

ALL_WITHIN_S = 2_400.0
"""What is left of it when a bench begins is the most that bench may take."""

ENDS_WITHIN_S = 40.0
LINE_BYTES_MAX = 1 << 24


@dataclass(frozen=True)
class Entry:
    """A bench, what is said to it, what is said instead to see quickly that it runs, and how long it may take."""

    name: str
    words: tuple[str, ...]
    quick: tuple[str, ...]
    within_s: float


ENTRIES = (
    Entry("vitals", (), ("--readings=4000", "--rounds=1"), 300),
    Entry("press", (), ("--presses=20", "--rounds=1", "--top-readings=2000"), 300),
    Entry("alarms", (), ("--presses=600", "--one-by-one=100", "--rounds=1"), 420),
    Entry("surge", (), ("--presses=200", "--workers=100", "--rounds=1", "--commits=50"), 300),
    Entry("route", (), ("--rankings=20", "--rounds=1"), 240),
    Entry("deadlines", (), ("--armed=2000", "--due=200", "--rounds=1"), 300),
    Entry("restart", (), ("--registered=2000", "--calls=200", "--rounds=1"), 360),
    Entry("board", (), ("--viewers=10", "--rounds=1", "--round-s=1", "--latency-s=2"), 420),
    Entry("fleet", (), ("--terminals=200", "--registered=2000", "--storms=1", "--starts=1"), 420),
    Entry("import", (), ("--elders=2000", "--rounds=1"), 480),
    Entry(
        "growth",
        ("--part=vitals", "--part=surge"),  # the third part is what `route` has told
        (
            "--part=vitals",
            "--part=surge",
            "--size=500",
            "--size=1000",
            "--readings=2000",
            "--presses=100",
            "--rounds=1",
        ),
        360,
    ),
)


@dataclass(frozen=True)
class Outcome:
    """What a bench said, None if it failed; how long it took; why it failed."""

    name: str
    said: dict[str, Any] | None
    took_s: float
    why: str = ""

    def told(self) -> dict[str, Any]:
        """As `all` tells of it."""
        said = {"name": self.name, "took_s": round(self.took_s, 1), "failed": self.said is None}
        return said | ({"why": self.why} if self.said is None else self.said)


async def measure(clock: Clock, command: str, *, is_quick: bool, only: Iterable[str] = ()) -> dict[str, Any]:
    """Run all benches, or those of these names; prints lines and each bench's object as they come."""
    folder = LOGS / "quick" if is_quick else charts.FOLDER
    outcomes: list[Outcome] = []
    began_s = clock.elapsed()
    wanted = set(only) or {entry.name for entry in ENTRIES}
    print(table([], head=True), flush=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    async with PostgresServer() as postgres:
        for entry in (each for each in ENTRIES if each.name in wanted):
            words = (entry.quick if is_quick else entry.words) + _further(entry.name, outcomes)
            within_s = _within_s(entry, clock.elapsed() - began_s)
            outcome = await _run(entry.name, words, within_s, lending(postgres), clock)
            if entry.name == "growth":
                outcome = _with_route(outcome, outcomes)
            outcomes.append(outcome)
            _tell(outcome, folder)
    took_s = clock.elapsed() - began_s
    return _result(outcomes, took_s, is_quick=is_quick) | {"command": command} | circumstances(clock)


def _further(name: str, before: list[Outcome]) -> tuple[str, ...]:
    """What a bench is told of another: readings come beside presses at half of what `vitals` has found."""
    vitals = next((each.said for each in before if each.name == "vitals" and each.said), None)
    return (f"--readings={vitals['ours'] / 2:.0f}",) if name == "press" and vitals else ()


def _within_s(entry: Entry, passed_s: float) -> float:
    """How long a bench may take when so much time has passed."""
    return max(0.0, min(entry.within_s, ALL_WITHIN_S - passed_s))


async def _run(
    name: str, words: tuple[str, ...], within_s: float, environment: dict[str, str], clock: Clock
) -> Outcome:
    began_s = clock.elapsed()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks", name, *words),
        env=os.environ | environment | {"PYTHONPATH": str(CHECKOUT)},
        stdout=-1,
        limit=LINE_BYTES_MAX,
        start_new_session=True,
    )
    try:
        async with limit(within_s):
            output, _ = await process.communicate()
    except TimeoutError:
        return Outcome(name, None, clock.elapsed() - began_s, f"not done within {within_s:.0f} s")
    finally:
        await _end(process)
    took_s = clock.elapsed() - began_s
    if process.returncode:
        return Outcome(name, None, took_s, f"ended with {process.returncode}")
    return _heard(name, output, took_s)


def _heard(name: str, output: bytes, took_s: float) -> Outcome:
    """The object on the last line of what a bench printed."""
    try:
        said = json.loads(output.splitlines()[-1])
    except (IndexError, ValueError):
        return Outcome(name, None, took_s, "printed no object last")
    return Outcome(name, said, took_s)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Have a bench end its servers and itself, if it still runs."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)  # as Ctrl-C: everything is ended in order
    try:
        async with limit(ENDS_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _with_route(outcome: Outcome, before: list[Outcome]) -> Outcome:
    """Growth, with what `route` has told of its own."""
    routed = next((each.said for each in before if each.name == "route" and each.said), None)
    if outcome.said is None or routed is None:
        return outcome
    parts = [*outcome.said["parts"], growth.route_part(routed)]
    commands = f"{outcome.said['command']}, {routed['command']}"
    said = outcome.said | growth.result(outcome.said["rounds"], parts) | {"command": commands}
    return Outcome(outcome.name, said, outcome.took_s)


def _tell(outcome: Outcome, folder: Path) -> None:
    if outcome.said is None:
        print(f"{outcome.name:<9} FAILED after {outcome.took_s:.0f} s: {outcome.why}", flush=True)
        return
    if lines := lines_of(outcome.said):
        print(table(lines))
    print(json.dumps(outcome.said, ensure_ascii=False), flush=True)
    try:
        charts.keep(outcome.said, folder)
    except (ImportError, OSError, DispatchError) as problem:  # no picture is worth the benches that are still to come
        print(f"{outcome.name:<9} has no chart: {problem}", file=sys.stderr)


def _result(outcomes: list[Outcome], took_s: float, *, is_quick: bool) -> dict[str, Any]:
    said = [outcome.said for outcome in outcomes if outcome.said is not None]
    print(table([line for each in said for line in lines_of(each)], head=True), flush=True)
    aims = {each["name"]: each["met"] for each in said if each["met"] is not None}
    return {
        "name": "all",
        "counts_for_nothing": is_quick,
        "took_s": round(took_s),
        "benches": [outcome.told() for outcome in outcomes],
        "failed": [outcome.name for outcome in outcomes if outcome.said is None],
        "missed": [name for name, met in aims.items() if not met],
        "met": [name for name, met in aims.items() if met],
    }
