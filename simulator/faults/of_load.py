"""Too much at once: clocks that ran out while nobody could fire them, garbage, and one terminal gone mad."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiomqtt
import msgspec
from aiomqtt import ProtocolVersion

from dispatch.errors import Unreachable
from simulator.faults.fault import Fault, Size
from simulator.faults.ground import CENTRE, Ground, Setting, within
from simulator.terminal import stamp
from simulator.trouble import BROKEN_ALARMS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Sequence
    from datetime import datetime

    from simulator.faults.fault import Act

Message = tuple[str, bytes]

# --- deadlines that passed -------------------------------------------------------------------------------------------

OVERDUE, FIRST = 1_000, 2_001
KEYS = ("family", "sos", "service", "fall")
"""Of bands 1, 0, 3 and 0: the gravest are neither first nor last."""

BESIDE_S = 0.4
"""Two batches of clocks are fired beside each other: the lesser one's may be done first, by so much."""

THEIRS = f"length(subject_id) = 5 AND subject_id BETWEEN 'H{FIRST}' AND 'H{FIRST + OVERDUE - 1}'"
OPEN = f"SELECT count(*) FROM incident WHERE {THEIRS}"  # noqa: S608 - our own numbers, here and below
RAN_OUT = f"SELECT count(*) FROM incident WHERE {THEIRS} AND due_at <= $1"  # noqa: S608 - likewise
LAST = "SELECT coalesce(max(seq), 0) FROM incident_log"
FIRED = f"""
    SELECT incident.band, min(at) AS at FROM incident_log JOIN incident USING (incident_id)
    WHERE {THEIRS} AND seq > $1 GROUP BY incident_id, incident.band ORDER BY at"""  # noqa: S608 - likewise
TWICE = f"""
    SELECT incident_id::text FROM incident_log JOIN incident USING (incident_id)
    WHERE {THEIRS} AND code = 'climbed' GROUP BY incident_id, incident_log.level HAVING count(*) > 1"""  # noqa: S608 - same


async def _let_clocks_run_out(on: Ground) -> None:
    """Open a thousand calls, kill the service, and wait until a clock of each has run out."""
    async with _client(on) as client:
        now = on.clock.now()
        for n in range(OVERDUE):
            said = {"id": f"overdue-{n}", "at": stamp(now), "key": KEYS[n % len(KEYS)]}
            await client.publish(_topic(f"T{FIRST + n}", "alarm"), msgspec.json.encode(said), qos=1)

    async def are_open() -> bool:
        return await on.number(OPEN) == OVERDUE

    await within(30, on.clock, are_open)
    on.one.kill9()

    async def have_run_out() -> bool:
        return await on.number(RAN_OUT, on.clock.now()) == OVERDUE

    await within(60, on.clock, have_run_out)
    on.notes["last_seq"] = await on.number(LAST)


async def _start_and_time_clocks(on: Ground) -> None:
    """Start the service, and note when all of them have fired, from the process's start and from when it leads."""
    now, began_s = on.clock.now(), on.clock.elapsed()
    on.one.launch()
    while left := await on.number(RAN_OUT, now):
        if on.clock.elapsed() - began_s > 60:
            raise Unreachable("clocks_not_fired", left=left)
        await on.clock.sleep(0.02)
    fired_s = on.clock.elapsed() - began_s
    [(led_at,)] = await on.fetch("SELECT taken_at FROM lease")
    on.notes["fired_after_start_s"] = round(fired_s, 2)
    on.notes["fired_after_lead_s"] = round(fired_s - (led_at - now).total_seconds(), 2)


async def _fired_once_gravest_first(on: Ground) -> list[str]:
    fired = [(row["band"], row["at"]) for row in await on.fetch(FIRED, on.notes.pop("last_seq"))]
    twice = await on.fetch(TWICE)
    waited_s = _waited_s(fired)
    on.notes |= {"fired": len(fired), "fired_twice": len(twice), "graver_waited_s": round(waited_s, 2)}
    wrong = [f"fired twice: {incident_id}" for (incident_id,) in twice[:5]]
    if len(fired) < OVERDUE:
        wrong.append(f"only {len(fired)} of {OVERDUE} clocks fired")
    if waited_s > BESIDE_S:
        wrong.append(f"a graver call's clock fired {waited_s:.2f} s after a lesser one's")
    return wrong


def _waited_s(fired: Sequence[tuple[int, datetime]]) -> float:
    """The longest that a clock fired after the first clock of a lesser band; `fired` by instant."""
    first: dict[int, datetime] = {}
    waited_s = 0.0
    for band, at in fired:
        first.setdefault(band, at)
        lesser_at = min((first[each] for each in first if each > band), default=at)
        waited_s = max(waited_s, (at - lesser_at).total_seconds())
    return waited_s


# --- floods ----------------------------------------------------------------------------------------------------------

GARBAGE_PER_PRESS = 50
RATE_PER_S = 20.0
MAD = "T3999"
MAD_PER_S = 1_000.0
KEPT = "SELECT count(*) FROM alarm WHERE terminal_id = $1"
EVERY_S = 0.02
MEASURED_S = 15.0


def _garbage() -> Iterator[Message]:
    """By turns: readings that are none, strangers, and one registered terminal's nonsense, all on one call."""
    n = 0
    while True:
        n += 1
        nonsense = BROKEN_ALARMS[n % len(BROKEN_ALARMS)].payload
        yield _topic(f"T{3_000 + n % 500}", "vitals"), b'{"heart_rate_bpm": "fast"}'
        yield _topic(f"stranger-{n % 1_000}", "alarm"), nonsense + b"%d" % n
        yield _topic("T3998", "alarm"), nonsense + b"%d" % n


def _madness() -> Iterator[Message]:
    """One terminal, a new alarm each time."""
    n = 0
    while True:
        n += 1
        yield _topic(MAD, "alarm"), b'{"id":"mad-%d","at":"2026-03-01T12:00:00Z","key":"sos"}' % n


def _pour(messages: Callable[[], Iterator[Message]], per_s: float) -> Act:
    """Publish at a rate, from a connection of its own, until the fault ends; first all is measured without."""

    async def begin(on: Ground) -> None:
        await on.clock.sleep(MEASURED_S)
        on.notes["p99_before_ms"] = _p99_ms(on, on.clock.elapsed() - MEASURED_S)
        on.pouring = asyncio.create_task(_publish(on, messages(), per_s))

    return begin


async def _publish(on: Ground, messages: Iterator[Message], per_s: float) -> None:
    began_s, count = on.clock.elapsed(), 0
    async with _client(on) as client:
        while not on.poured_enough.is_set():
            for _ in range(int((on.clock.elapsed() - began_s) * per_s) - count):
                topic, payload = next(messages)
                if on.poured_enough.is_set():
                    break
                await client.publish(topic, payload, qos=1)
                count += 1
                on.notes["poured"] = count
            await on.clock.sleep(EVERY_S)


async def _stop_pouring(on: Ground) -> None:
    assert on.pouring is not None
    on.poured_enough.set()  # a cancellation may get lost inside the client
    await on.pouring
    on.notes["p99_during_ms"] = _p99_ms(on, on.mark_s - MEASURED_S)
    on.notes["p99_ratio"] = round(on.notes["p99_during_ms"] / on.notes["p99_before_ms"], 2)


def _p99_ms(on: Ground, since_s: float) -> float:
    silences = sorted(on.ledger.silences_s(since_s))
    return round(1_000 * silences[int(len(silences) * 0.99)], 1) if silences else float("nan")


async def _garbage_is_parked(on: Ground) -> list[str]:
    parked = await on.number("SELECT count(*) FROM parked")
    calls = await on.number("SELECT count(*) FROM incident WHERE kind = 'unreadable'")
    on.notes |= {"parked": parked, "unreadable_calls": calls}
    return [] if calls == 1 and parked else [f"{parked} parked, {calls} calls of unreadable messages"]


async def _all_of_the_mad_are_kept(on: Ground) -> list[str]:
    async def are_kept() -> bool:
        return await on.number(KEPT, MAD) >= int(on.notes["poured"])

    on.notes["flood_kept_s"] = round(await within(60, on.clock, are_kept), 1)
    calls = await on.number("SELECT count(*) FROM incident WHERE subject_id = $1", f"H{MAD[1:]}")
    return [] if calls == 1 else [f"one home has {calls} calls"]


@asynccontextmanager
async def _client(on: Ground) -> AsyncIterator[aiomqtt.Client]:
    name = f"pour-{on.clock.new_id().hex[-8:]}"
    async with aiomqtt.Client(
        on.reach.mqtt_host, on.reach.mqtt_port, identifier=name, protocol=ProtocolVersion.V5
    ) as client:
        yield client


def _topic(terminal_id: str, name: str) -> str:
    return f"onekey/1/{CENTRE}/{terminal_id}/{name}"


LOAD = (
    Fault(
        "clocks_ran_out",
        "1,000 clocks ran out while the service was down",
        _let_clocks_run_out,
        _start_and_time_clocks,
        Size(),
        Size(settles_s=0.7),
        look=_fired_once_gravest_first,
    ),
    Fault(
        "garbage",
        "50 garbage messages for each good one",
        _pour(_garbage, RATE_PER_S * GARBAGE_PER_PRESS),
        _stop_pouring,
        Size(MEASURED_S),
        setting=Setting(rate_per_s=RATE_PER_S),
        look=_garbage_is_parked,
    ),
    Fault(
        "flood",
        "one terminal sends 1,000 alarms a second",
        _pour(_madness, MAD_PER_S),
        _stop_pouring,
        Size(MEASURED_S),
        setting=Setting(rate_per_s=RATE_PER_S),
        look=_all_of_the_mad_are_kept,
    ),
)
