"""Runs faults one after the other and sums them up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from simulator.faults.fault import Outcome, Size, happen
from simulator.faults.ground import Database
from simulator.faults.table import FAULTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from dispatch.clock import Clock
    from simulator.faults.fault import Fault


def sizes(*, is_quick: bool, only: Collection[str] = ()) -> list[tuple[Fault, Size]]:
    """Which faults, and how large."""
    wanted = [fault for fault in FAULTS if not only or fault.name in only]
    if not is_quick:
        return [(fault, fault.full) for fault in wanted]
    return [(fault, fault.quick) for fault in wanted if fault.quick is not None]


async def outcomes(chosen: list[tuple[Fault, Size]], clock: Clock) -> AsyncIterator[Outcome]:
    """Each fault's outcome, as soon as there is one."""
    async with Database() as database:
        for fault, size in chosen:
            if why_not := fault.needs():
                outcome = Outcome(fault.name, fault.says, 0, 0.0)
                outcome.figures["left_out"] = why_not
                yield outcome
            else:
                yield await happen(fault, size, database, clock)


async def prove(clock: Clock, *, is_quick: bool = False, only: Collection[str] = ()) -> dict[str, Any]:
    """Have all faults (or only some, by name) happen; the sum of it, for JSON. Each is told as it ends."""
    told = []
    async for outcome in outcomes(sizes(is_quick=is_quick, only=only), clock):
        told.append(outcome)
        say(outcome)
    return {
        "scenarios": [outcome.as_dict() for outcome in told],
        "lost": sum(outcome.lost for outcome in told),
        "duplicated": sum(outcome.duplicated for outcome in told),
        "longest_silence_s": max((outcome.longest_silence_s for outcome in told), default=0.0),
        "wrong": {outcome.name: outcome.wrong for outcome in told if outcome.wrong},
        "slow": {outcome.name: outcome.slow for outcome in told if outcome.slow},
        "left_out": {outcome.name: outcome.figures["left_out"] for outcome in told if "left_out" in outcome.figures},
    }


def say(outcome: Outcome) -> None:
    """One line for whoever watches; the sum alone goes to standard output."""
    line = (
        f"{outcome.name}: {outcome.pressed} presses, lost {outcome.lost}, duplicated {outcome.duplicated}, "
        f"longest silence {outcome.longest_silence_s:.1f} s, recovery {outcome.recovery_s:.1f} s "
        f"{outcome.figures or ''}"
    )
    for each in [line, *(f"  WRONG {wrong}" for wrong in outcome.wrong), *(f"  SLOW {slow}" for slow in outcome.slow)]:
        print(f"faults: {each}", file=sys.stderr, flush=True)
