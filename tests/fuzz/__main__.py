"""`python -m tests.fuzz --minutes 5`: ever new bad bytes by every way in; one JSON object in the end.

Each round is a run of these tests with a seed of its own, so that what fails is seen again with the command it prints.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from dispatch.clock import SystemClock
from tests.fuzz.amount import COUNTS_VARIABLE, KEPT, TIMES_VARIABLE

FOLDER = Path(__file__).parent
TIMES = 4
"""So many times the examples of the tests in a round; each begins with servers of its own."""

ARGUMENTS = ("-q", "--tb=short", "--timeout=600", "-p", "no:cacheprovider")
FAILED = re.compile(r"^(?:FAILED|ERROR) (?:\S*/)?(\S+)", re.MULTILINE)


@dataclass
class Rounds:
    """What came of them. `failed` has the command that shows it again, by test."""

    rounds: int = 0
    tried: Counter[str] = field(default_factory=Counter)
    kept_bytes_per_message_max: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "fuzz_rounds": self.rounds,
            "fuzz_tried": dict(self.tried),
            "fuzz_kept_bytes_per_message_max": self.kept_bytes_per_message_max,
            "fuzz_failed": self.failed,
        }


def play(seed: int, rounds: Rounds) -> None:
    """One round: its counts and failures are added; what pytest said of a failure is passed on to standard error."""
    words = ["-m", "pytest", str(FOLDER.relative_to(FOLDER.parents[1])), *ARGUMENTS, f"--hypothesis-seed={seed}"]
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        counts = Path(folder, "counts.json")
        environment = os.environ | {TIMES_VARIABLE: str(TIMES), COUNTS_VARIABLE: str(counts)}
        done = subprocess.run(
            [sys.executable, *words],
            env=environment,
            cwd=FOLDER.parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
        tried: dict[str, int] = json.loads(counts.read_text()) if counts.exists() else {}
    rounds.rounds += 1
    rounds.kept_bytes_per_message_max = max(rounds.kept_bytes_per_message_max, tried.pop(KEPT, 0))
    rounds.tried.update(tried)
    if done.returncode:
        print(done.stdout[-20_000:], done.stderr[-5_000:], file=sys.stderr)
        again = f"{TIMES_VARIABLE}={TIMES} python {' '.join(words)}"
        rounds.failed |= dict.fromkeys(FAILED.findall(done.stdout) or ["pytest itself"], again)


def prove(minutes: float, seed: int | None = None) -> tuple[dict[str, Any], bool]:
    """Rounds with new seeds for so long, or the one of a seed; the figures, and whether all was well."""
    clock, rounds = SystemClock(), Rounds()
    until_s = clock.elapsed() + minutes * 60
    for each in itertools.count(int(clock.now().timestamp())) if seed is None else (seed,):
        play(each, rounds)
        said = f"fuzz: {rounds.rounds} rounds, {rounds.tried.total()} tried, {len(rounds.failed)} failed"
        print(said, file=sys.stderr, flush=True)
        if clock.elapsed() >= until_s:
            break
    return rounds.as_dict(), not rounds.failed


def main(
    *,
    minutes: Annotated[float, typer.Option(help="For how long new rounds are begun.", min=0)] = 5.0,
    seed: Annotated[int | None, typer.Option(help="Play the round of this seed again.")] = None,
) -> None:
    """Bad bytes by every way in, new ones each time."""
    figures, is_well = prove(minutes, seed)
    print(json.dumps(figures))
    raise typer.Exit(0 if is_well else 1)


if __name__ == "__main__":
    typer.run(main)
