"""How much is tried: little and always the same, or, with FUZZ_TIMES, so many times as much and new each time."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

Thing = TypeVar("Thing")

TIMES_VARIABLE = "FUZZ_TIMES"
TIMES = int(os.environ.get(TIMES_VARIABLE, "1"))
IS_SAME_EACH_TIME = TIMES_VARIABLE not in os.environ


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


def drawn(strategy: st.SearchStrategy[Thing], count: int) -> list[Thing]:
    """So many things at once, for what cannot be tried one by one: a running service."""
    found: list[Thing] = []

    def keep(each: Thing) -> None:
        found.append(each)

    run: Callable[[], None] = fuzzed(count, explains=False)(given(strategy)(keep))
    run()
    return found
