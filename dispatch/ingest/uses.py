"""Where what was understood goes, lane by lane. What it needs of others is typed here and handed in by `app`."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from dispatch.clock import Clock
from dispatch.devices.kinds import Heard, Lane
from dispatch.ingest.intake import Park, Use
from dispatch.model import Alarm, Beat, CommandReply, Fault, Key, TerminalId, TerminalState, Unreadable, Vitals

Housekeeping = TerminalState | Fault | Beat | CommandReply

SAME_WITHIN_S = 600
"""The same unreadable bytes from one terminal are taken for a repeat for about so long, and for a new call after it."""

JUDGED_AT_ONCE = 500
"""Readings judged in one go, under 5 ms: nothing else runs meanwhile."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """What others do with what was heard. Each returns when it is safe, and bears being given the same again."""

    raise_alarms: Callable[[Sequence[Alarm]], Awaitable[object]]
    """The engine: an alarm opens or joins an incident."""
    registered: Callable[[AbstractSet[TerminalId]], Awaitable[AbstractSet[TerminalId]]]
    """Which of these terminals are registered."""
    judge: Callable[[Sequence[Vitals]], Sequence[Alarm]]
    """The alarms that critical readings raise."""
    keep_vitals: Callable[[Sequence[Vitals]], Awaitable[None]]
    keep_house: Callable[[Sequence[Housekeeping]], Awaitable[None]]
    park: Park


def use_of(lane: Lane, sinks: Sinks, clock: Clock) -> Use:
    """What one lane does with what it hears."""

    async def alarms(heard: Sequence[Heard]) -> None:
        await _use_alarms(heard, sinks)

    in_turn = asyncio.Lock()

    async def vitals(heard: Sequence[Heard]) -> None:
        await _use_vitals(heard, sinks, clock, in_turn)

    async def housekeeping(heard: Sequence[Heard]) -> None:
        await _use_house(heard, sinks)

    return {Lane.ALARMS: alarms, Lane.VITALS: vitals, Lane.HOUSEKEEPING: housekeeping}[lane]


async def _use_alarms(heard: Sequence[Heard], sinks: Sinks) -> None:
    """Calls first; then what could not be read, which is a call as well if its terminal is one of ours."""
    pressed = [each for each in heard if isinstance(each, Alarm)]
    if pressed:
        await sinks.raise_alarms(pressed)
    unreadable = [each for each in heard if isinstance(each, Unreadable)]
    if unreadable:
        ours = await sinks.registered({each.terminal_id for each in unreadable if each.terminal_id is not None})
        called = [call for each in unreadable if each.terminal_id in ours and (call := as_alarm(each)) is not None]
        if called:
            await sinks.raise_alarms(called)
        await sinks.park(unreadable)


async def _use_vitals(heard: Sequence[Heard], sinks: Sinks, clock: Clock, in_turn: asyncio.Lock) -> None:
    """A critical reading calls before anything is stored: it may not wait for the others, nor fail with them.

    Batches are stored at the same time, but judged one after the other, as they came.
    """
    readings = [each for each in heard if type(each) is Vitals]
    critical: list[Alarm] = []
    async with in_turn:
        for start in range(0, len(readings), JUDGED_AT_ONCE):
            critical += sinks.judge(readings[start : start + JUDGED_AT_ONCE])
            await clock.sleep(0)
    if critical:
        await sinks.raise_alarms(critical)
    if readings:
        await sinks.keep_vitals(readings)
    if len(readings) < len(heard):
        await _park(heard, sinks)


async def _use_house(heard: Sequence[Heard], sinks: Sinks) -> None:
    understood = [each for each in heard if isinstance(each, Housekeeping)]
    if understood:
        await sinks.keep_house(understood)
    await _park(heard, sinks)


async def _park(heard: Sequence[Heard], sinks: Sinks) -> None:
    unreadable = [each for each in heard if isinstance(each, Unreadable)]
    if unreadable:
        await sinks.park(unreadable)


def as_alarm(unreadable: Unreadable) -> Alarm | None:
    """The call that stands behind something unreadable on the alarm lane; None if nobody knows whose it is.

    The same bytes are the same call only for a while (`SAME_WITHIN_S`): without a readable id or time nothing tells a
    repeat from a new press, and in doubt it is a new press.
    """
    if unreadable.terminal_id is None:
        return None
    period = int(unreadable.received_at.timestamp()) // SAME_WITHIN_S
    said = f"{unreadable.topic}\x1f{period}\x1f".encode() + unreadable.payload
    digest = hashlib.blake2b(said, digest_size=16).digest()
    return Alarm(
        terminal_id=unreadable.terminal_id,
        alarm_id=f"unreadable-{digest.hex()[:16]}",
        key=Key.UNREADABLE,
        received_at=unreadable.received_at,
        digest=digest,
        flaws=(unreadable.reason,),
    )
