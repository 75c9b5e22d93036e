"""`fleet`: as many connected terminals as the machine takes; the broker dies, all come back, and no press is lost.

400,000 terminals are registered. The broker is killed as by a power cut, so that it has forgotten every session of the
last seconds, and started again after a moment; terminals wait a part of 8 s drawn by chance, then of 16 s. Some press
just before, some while it is down.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import Rounds, circumstances, median, percentile
from benchmarks.processes import LoadProcess, Meter, allow_open_files, load_process, memory_mb
from benchmarks.stand import Service, Stand, stand

if TYPE_CHECKING:
    from dispatch.clock import Clock

TERMINALS_LEAST = 10_000
CONNECTS_PER_S = 1_500.0
CONNECTED_WITHIN_S = 120.0
BACK_WITHIN_S = 90.0
DOWN_S = 3.0
BACK_AIM_MAX_S = 30.0
MEMORY_AIM_MAX_MB = 300.0
READY_AIM_MAX_S = 4.0
STANDING = """SELECT count(DISTINCT alarm_id) AS stored, count(*) AS rows, count(DISTINCT incident_id) AS incidents,
    (SELECT count(*) FROM incident WHERE origin = 'terminal') AS opened FROM alarm"""


@dataclass(frozen=True)
class Plan:
    """`terminals` connect (None: as many as open files allow); `registered` are known; all are lost `storms` times,
    with `presses` before and as many while the broker is down; the start is measured `starts` times.
    """

    terminals: int | None = None
    registered: int = 400_000
    presses: int = 300
    storms: int = 5
    starts: int = 5
    workers: int = 3_900


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run the whole measurement. Raises Refused or Unreachable."""
    terminals = plan.terminals or min(plan.registered, allow_open_files(TERMINALS_LEAST))
    allow_open_files(terminals)
    plan = replace(plan, presses=min(plan.presses, terminals // (2 * plan.storms)))
    async with stand(clock) as on, load_process("benchmarks.fleet_load") as load:
        await on.make_template(plan.registered, plan.workers)
        async with on.database("fleet") as dsn:
            starts_s = [await _start_s(on, dsn) for _ in range(plan.starts - 1)]
            began_s = clock.elapsed()
            async with on.service(dsn) as service:
                starts_s.append(clock.elapsed() - began_s)
                memory = {"at_start": memory_mb(service.child.pid)}
                connected = await load.ask(
                    "connect",
                    port=on.broker.port,
                    terminals=terminals,
                    per_s=CONNECTS_PER_S,
                    within_s=CONNECTED_WITHIN_S,
                )
                storms = [await _storm(plan, on, load, service, number) for number in range(plan.storms)]
                memory["at_end"] = memory_mb(service.child.pid)
            figures = {"connected": connected, "storms": storms, "standing": await _standing(dsn)}
    return _result(plan, terminals, starts_s, memory, figures) | circumstances(clock)


async def _start_s(on: Stand, dsn: str) -> float:
    """Seconds from the start of the service's process until it says that it is ready."""
    began_s = on.clock.elapsed()
    async with on.service(dsn):
        return on.clock.elapsed() - began_s


async def _storm(plan: Plan, on: Stand, load: LoadProcess, service: Service, number: int) -> dict[str, Any]:
    """The broker dies and comes again; some press before, others while it is down, each home once."""
    meter = Meter(service.child.pid, on.postgres.pid, on.postgres.pid, load)
    first = 2 * plan.presses * number
    await load.ask("forget")
    await load.ask("press", mark=f"before{number}", first=first, count=plan.presses)
    on.broker.kill9()
    down_s = on.clock.elapsed()
    await on.clock.sleep(DOWN_S / 2)
    pressed = await load.ask("press", mark=f"down{number}", first=first + plan.presses, count=plan.presses)
    await on.clock.sleep(DOWN_S / 2)
    await on.broker.start()
    up_s = on.clock.elapsed()
    back = await load.ask("until_back", since_s=up_s, within_s=BACK_WITHIN_S)
    used = meter.read()
    del used["broker_cpu_s"]  # of two processes: the one that was killed, and its successor
    all_back_s = max(back["back_after_s"], default=BACK_WITHIN_S)
    print(f"fleet: {back['back']:,} of {back['lost']:,} are back after {all_back_s:.1f} s", file=sys.stderr)
    told = {"all_back_s": all_back_s, "lost_when_pressed": pressed["lost"], "down_s": up_s - down_s}
    return told | {"back": back, "used": used}


async def _standing(dsn: str) -> dict[str, int]:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        row = await connection.fetchrow(STANDING)
    finally:
        await connection.close(timeout=5)
    assert row is not None
    return dict(row)


def _result(
    plan: Plan, terminals: int, starts_s: list[float], memory: dict[str, Any], figures: dict[str, Any]
) -> dict[str, Any]:
    storms, presses = figures["storms"], 2 * plan.presses * plan.storms
    all_back_s = median([storm["all_back_s"] for storm in storms])
    ready_s, rss_mb = median(starts_s), memory["at_end"]["rss_max_mb"]
    standing = {"stored": presses, "rows": presses, "incidents": presses, "opened": presses}
    is_whole = all(storm["back"]["lost"] == storm["back"]["back"] == terminals for storm in storms)
    is_once = storms[-1]["back"]["stored"] == presses and figures["standing"] == standing
    is_small = rss_mb is not None and rss_mb <= MEMORY_AIM_MAX_MB
    is_quick = all_back_s <= BACK_AIM_MAX_S and ready_s <= READY_AIM_MAX_S
    return {
        "name": "fleet",
        "registered": plan.registered,
        **_told(figures, presses),
        "ready_after_start_s": ready_s,
        "ready_after_start_by_round_s": [round(each, 2) for each in starts_s],
        "rss_at_start_mb": memory["at_start"]["rss_mb"],
        "rss_at_end_mb": memory["at_end"]["rss_mb"],
        "rss_max_mb": rss_mb,
        "unit": "s until all are back",
        "ours": round(all_back_s, 1),
        "peer": None,
        "ratio": None,
        "aim": f"at least {TERMINALS_LEAST:,} connected, all back within {BACK_AIM_MAX_S:.0f} s, every press in "
        f"exactly one incident; at most {MEMORY_AIM_MAX_MB:.0f} MB, ready within {READY_AIM_MAX_S:.0f} s",
        "met": is_whole and is_once and is_small and is_quick and terminals >= TERMINALS_LEAST,
    }


def _told(figures: dict[str, Any], presses: int) -> dict[str, Any]:
    """Medians of the storms; of the presses, all of them together."""
    storms, last = figures["storms"], figures["storms"][-1]["back"]
    stored_s = last["stored_after_s"] or [BACK_WITHIN_S]
    used = Rounds()
    for storm in storms:
        used.add(**storm["used"], back_p50_s=percentile(storm["back"]["back_after_s"] or [BACK_WITHIN_S], 0.5))
    return {
        "connected": figures["connected"]["connected"],
        "connecting_took_s": round(figures["connected"]["took_s"], 1),
        "storms": len(storms),
        "broker_down_s": median([storm["down_s"] for storm in storms]),
        "lost_by_storm": [storm["back"]["lost"] for storm in storms],
        "back_by_storm": [storm["back"]["back"] for storm in storms],
        "all_back_by_storm_s": [round(storm["all_back_s"], 1) for storm in storms],
        "failed_tries": last["failures"],
        "presses": presses,
        "presses_while_down": presses // 2,
        "connections_lost_when_pressed": [storm["lost_when_pressed"] for storm in storms],
        "presses_stored": last["stored"],
        "alarm_rows": figures["standing"]["rows"],
        "incidents": figures["standing"]["opened"],
        "stored_p50_s": round(percentile(stored_s, 0.5), 1),
        "stored_max_s": round(max(stored_s), 1),
        **used.middles("_cpu_s", "_p50_s"),
    }
