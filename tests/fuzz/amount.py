"""How much is tried: little and always the same, or, with FUZZ_TIMES, so many times as much and new each time."""

from __future__ import annotations

import atexit
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Thing = TypeVar("Thing")

TIMES_VARIABLE = "FUZZ_TIMES"
TIMES = int(os.environ.get(TIMES_VARIABLE, "1"))
COUNTS_VARIABLE = "FUZZ_COUNTS"
"""Names a file into which is written how much was tried of each."""

IS_SAME_EACH_TIME = TIMES_VARIABLE not in os.environ


KEPT = "kept_bytes_per_message"
"""A figure among the counts: what a running service kept of each useless message."""

tried: Counter[str] = Counter()


def count(way: str, number: int = 1) -> None:
    """Note that so many were tried by this way in."""
    tried[way] += number


if COUNTS_VARIABLE in os.environ:
    atexit.register(lambda: Path(os.environ[COUNTS_VARIABLE]).write_text(json.dumps(tried)))


def fuzzed(examples: int, *, explains: bool = True) -> settings:
    """The settings of one property; what fails is made smaller first if it `explains`."""
    phases = [Phase.generate, Phase.shrink] if explains else [Phase.generate]
    return settings(
        max_examples=examples * TIMES,
        deadline=None,
        database=None,
        derandomize=IS_SAME_EACH_TIME,
        phases=phases,
        suppress_health_check=list(HealthCheck),
    )


def drawn(way: str, strategy: st.SearchStrategy[Thing], number: int) -> list[Thing]:
    """So many things at once, for what cannot be tried one by one: a running service. They count as tried."""
    found: list[Thing] = []

    def keep(each: Thing) -> None:
        found.append(each)

    run: Callable[[], None] = fuzzed(number, explains=False)(given(strategy)(keep))
    run()
    count(way, len(found))
    return found
