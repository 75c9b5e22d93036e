"""What a fault is, how one is made to happen while keys are pressed, and what is said of it afterwards."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import asyncpg

from dispatch.errors import DispatchError
from simulator import checks
from simulator.faults.ground import Database, Ground, Setting, ground

if TYPE_CHECKING:
    from random import Random

    from dispatch.clock import Clock

Act = Callable[[Ground], Awaitable[None]]
Look = Callable[[Ground], Awaitable[list[str]]]
"""Looks whether more holds than that nothing was lost or doubled; a line for each thing that does not."""

BACK_S = 5.0
"""The service is back within so long of a kill, by itself or by another that stood by."""

VIOLATIONS_END_WITHIN_S = 12.0
"""Clocks that ran out while nobody could fire them are late for a moment afterwards."""


async def nothing(_ground: Ground) -> None:
    """Of a fault that ends by itself."""


async def nothing_more(_ground: Ground) -> list[str]:
    """All is said by what was lost and doubled."""
    return []


@dataclass(frozen=True)
class Size:
    """How long a fault lasts each time, how many times, and for how long all is well before it and about after it."""

    lasts_s: float = 0.0
    times: int = 1
    settles_s: float = 1.5


@dataclass(frozen=True)
class Fault:
    """One fault. Recovery counts from its end, or, if `counts_from_begin`, from its beginning.

    `quick` is how `./run test` has it, None if it does not; `full` how `./run prove --faults` does. `recovers_within_s`
    is what is promised, None if nothing is.
    """

    name: str
    says: str
    begin: Act
    end: Act = nothing
    full: Size = Size()
    quick: Size | None = None
    setting: Setting = field(default_factory=Setting)
    counts_from_begin: bool = False
    recovers_within_s: float | None = None
    look: Look = nothing_more
    excuses: tuple[str, ...] = ()
    """Rules of `simulator.checks` that this fault may break, by how they begin."""

    needs: Callable[[], str] = str
    """Why it cannot be had on this machine; empty if it can."""


@dataclass
class Outcome:
    """What is said of a fault. Everything in `wrong` is a failure; `slow` is what took longer than promised."""

    name: str
    says: str
    times: int
    lasted_s: float
    pressed: int = 0
    lost: int = 0
    duplicated: int = 0
    unheard: int = 0
    longest_silence_s: float = 0.0
    recovery_s: float = 0.0
    figures: dict[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


async def happen(fault: Fault, size: Size, database: Database, clock: Clock) -> Outcome:
    """Build a ground, have the fault happen on it so many times, and count. Raises nothing that was foreseen."""
    outcome = Outcome(fault.name, fault.says, size.times, size.lasts_s)
    try:
        async with ground(fault.setting, database, clock) as on:
            try:
                await _suffer(fault, size, on, outcome, clock.chances(fault.name))
            finally:
                outcome.figures |= on.notes
    except DispatchError as error:
        outcome.wrong.append(error.say())
    if fault.recovers_within_s is not None and outcome.recovery_s > fault.recovers_within_s:
        outcome.slow.append(f"recovered in {outcome.recovery_s:.1f} s, promised {fault.recovers_within_s:.0f} s")
    return outcome


async def _suffer(fault: Fault, size: Size, on: Ground, outcome: Outcome, chances: Random) -> None:
    on.callers.press()
    await on.clock.sleep(size.settles_s)
    for _ in range(size.times):
        await fault.begin(on)
        on.mark()
        await on.clock.sleep(size.lasts_s)
        if not fault.counts_from_begin:
            on.mark()
        await fault.end(on)
        outcome.recovery_s = max(outcome.recovery_s, round(await on.until_recovered(), 2))
        await on.clock.sleep(chances.uniform(0, 2 * size.settles_s))
    await on.callers.rest()
    await on.until_stored()
    outcome.wrong += await fault.look(on)
    await _count(fault, on, outcome)


async def _count(fault: Fault, on: Ground, outcome: Outcome) -> None:
    connection = await asyncpg.connect(on.dsn, timeout=10)
    try:
        balance = await on.ledger.balance(connection)
        outcome.wrong += await _violations(connection, on, fault.excuses)
    finally:
        await connection.close(timeout=5)
    outcome.pressed, outcome.longest_silence_s = balance.pressed, round(balance.longest_silence_s, 2)
    outcome.lost, outcome.duplicated = len(balance.lost), len(balance.duplicated)
    outcome.unheard = len(balance.unheard)
    for what in ("lost", "duplicated", "unheard"):
        outcome.wrong += [f"{what}: {' '.join(sent)}" for sent in getattr(balance, what)[:5]]


async def _violations(connection: asyncpg.Connection[Any], on: Ground, excuses: Sequence[str]) -> list[str]:
    give_up_at_s = on.clock.elapsed() + VIOLATIONS_END_WITHIN_S
    while True:
        found = await checks.violations(connection, await on.leaders_now())
        found = [each for each in found if not each.startswith(tuple(excuses))]
        if not found or on.clock.elapsed() > give_up_at_s:
            return found[:10]
        await on.clock.sleep(0.5)
