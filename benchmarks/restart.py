"""`restart`: the service is killed on a busy day; how soon the first overdue clock is fired and a new press stored.

400,000 terminals are registered and 20,000 calls open, more than the workers can ever take. Each round kills the
process without warning, lets clocks run out, starts it again and, in the same moment, presses at a home that has no
call yet. The floor is what a start costs before any work: from the process's start until everything is imported.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiomqtt
import asyncpg
import msgspec

from benchmarks.figures import circumstances, median
from benchmarks.processes import LoadProcess, cpu_s, database_cpu_s, load_process
from benchmarks.register import terminal_id
from benchmarks.stand import CENTRE, CHECKOUT, Service, Stand, stand
from dispatch.clock import limit
from dispatch.errors import Unreachable

if TYPE_CHECKING:
    from dispatch.clock import Clock

AIM_MAX_S = 3.0
OPENED_WITHIN_S = 120.0
ROUND_WITHIN_S = 90.0
CAUGHT_UP_WITHIN_S = 15.0
DOWN_S = 2.0
LOOK_EVERY_S = 0.01
OPEN = "SELECT count(*) FROM incident WHERE origin = 'terminal' AND closed_at IS NULL"
OVERDUE = "SELECT count(*) FROM incident WHERE due_at <= $1"
LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM incident_log"
FIRED = "SELECT true FROM incident_log WHERE seq > $1 AND by = 'clock' LIMIT 1"


@dataclass(frozen=True)
class Plan:
    """How many are registered, how many calls are open, how many rounds."""

    registered: int = 400_000
    calls: int = 20_000
    rounds: int = 5
    workers: int = 3_900


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all rounds. Raises Refused or Unreachable."""
    figures: dict[str, list[float]] = {}
    async with stand(clock) as on, load_process() as load:
        await on.make_template(plan.registered, plan.workers)
        await load.ask("connect", mqtt_port=on.broker.port, terminals=plan.rounds)
        async with on.database("restart") as dsn:
            async with on.service(dsn) as service:
                await _open_calls(plan, on, dsn)
                service.child.kill9()
            for number in range(plan.rounds):
                for name, value in (await _round(on, load, dsn, number)).items():
                    figures.setdefault(name, []).append(value)
    return _result(plan, figures) | circumstances(clock)


async def _open_calls(plan: Plan, on: Stand, dsn: str) -> None:
    """Press at so many homes, and return when each has its call. Raises Unreachable if that takes too long."""
    async with aiomqtt.Client("127.0.0.1", on.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for n in range(plan.rounds, plan.rounds + plan.calls):
            said = {"id": f"open-{n}", "at": on.clock.now().isoformat(), "key": "sos"}
            topic = f"onekey/1/{CENTRE}/{terminal_id(n)}/alarm"
            await client.publish(topic, msgspec.json.encode(said), qos=1)
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with limit(OPENED_WITHIN_S):
            while await connection.fetchval(OPEN) < plan.calls:
                await on.clock.sleep(0.2)
    except TimeoutError:
        raise Unreachable("calls_not_open", wanted=plan.calls, log=str(on.broker.port)) from None
    finally:
        await connection.close(timeout=5)


async def _round(on: Stand, load: LoadProcess, dsn: str, number: int) -> dict[str, float]:
    """The service is dead when this begins and when it ends."""
    await on.clock.sleep(DOWN_S)
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        figures = {"imports_s": await _imports_s(on.clock)}
        figures["overdue"] = await _until_overdue(connection, on.clock)
        last_seq = await connection.fetchval(LAST_SEQ)
        began_s, load_s = on.clock.elapsed(), load.cpu_s
        database_s = database_cpu_s(on.postgres.pid) or 0.0
        firing = asyncio.create_task(_fired_at_s(connection, last_seq, on.clock))
        pressing = asyncio.create_task(
            load.ask("press_at_once", mark=f"restart{number}", first=number, count=1, within_s=ROUND_WITHIN_S)
        )
        async with on.service(dsn) as service:
            figures["ready_s"] = on.clock.elapsed() - began_s
            fired_s, pressed = await asyncio.gather(firing, pressing)
            if await _is_caught_up(connection, on, service):
                figures["caught_up_s"] = on.clock.elapsed() - began_s
            figures["service_cpu_s"] = cpu_s(service.child.pid) or 0.0
            figures["database_cpu_s"] = (database_cpu_s(on.postgres.pid) or 0.0) - database_s
            figures["load_generator_cpu_s"] = load.cpu_s - load_s
            service.child.kill9()
    finally:
        await connection.close(timeout=5)
    if not pressed["stored_ms"]:
        raise Unreachable("press_not_stored", round=number)
    return figures | {"deadline_s": fired_s - began_s, "press_s": pressed["all_stored_s"] - began_s}


async def _fired_at_s(connection: asyncpg.Connection[Any], last_seq: int, clock: Clock) -> float:
    """Elapsed seconds when the log first says that a clock was fired. Raises Unreachable if it never does."""
    try:
        async with limit(ROUND_WITHIN_S):
            while not await connection.fetchval(FIRED, last_seq):
                await clock.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise Unreachable("no_deadline_fired") from None
    return clock.elapsed()


async def _until_overdue(connection: asyncpg.Connection[Any], clock: Clock) -> int:
    """How many calls have a clock that has run out, as soon as there are any. Raises Unreachable if there never are."""
    try:
        async with limit(ROUND_WITHIN_S):
            while not (overdue := await connection.fetchval(OVERDUE, clock.now())):
                await clock.sleep(0.2)
    except TimeoutError:
        raise Unreachable("nothing_overdue") from None
    return int(overdue)


async def _is_caught_up(connection: asyncpg.Connection[Any], on: Stand, service: Service) -> bool:
    """Whether, before long, no clock is late by a second."""
    try:
        async with limit(CAUGHT_UP_WITHIN_S):
            while await connection.fetchval(OVERDUE, on.clock.now() - timedelta(seconds=1)):
                await on.clock.sleep(0.05)
    except TimeoutError:
        return False
    return service.child.is_running


async def _imports_s(clock: Clock) -> float:
    """Seconds from the start of a process until it has imported what `dispatch serve` needs."""
    began_s = clock.elapsed()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "import dispatch.app", env=os.environ | {"PYTHONPATH": str(CHECKOUT)}
    )
    await process.wait()
    return clock.elapsed() - began_s


def _result(plan: Plan, figures: dict[str, list[float]]) -> dict[str, Any]:
    deadline_s, press_s = median(figures["deadline_s"]), median(figures["press_s"])
    return {
        "name": "restart",
        "registered": plan.registered,
        "open_calls": plan.calls,
        "rounds": plan.rounds,
        "overdue_at_start": [int(each) for each in figures["overdue"]],
        "first_deadline_fired_by_round_s": [round(each, 2) for each in figures["deadline_s"]],
        "first_press_stored_by_round_s": [round(each, 2) for each in figures["press_s"]],
        "ready_s": median(figures["ready_s"]),
        "caught_up_s": median(figures["caught_up_s"]) if "caught_up_s" in figures else None,
        "imports_s": median(figures["imports_s"]),
        **{name: median(values) for name, values in figures.items() if name.endswith("_cpu_s")},
        "unit": "s after the start of the process",
        "ours": {"first_deadline_fired_s": deadline_s, "first_press_stored_s": press_s},
        "peer": {"imports_s": median(figures["imports_s"])},
        "ratio": None,
        "aim": f"both under {AIM_MAX_S:.0f} s",
        "met": max(deadline_s, press_s) < AIM_MAX_S,
    }
