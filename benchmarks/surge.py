"""`surge`: ten thousand terminals press in the same moment, beside what the same PostgreSQL could take by itself.

Rounds of three: the service, single-row commits, and the service's own rows in batches by bare asyncpg. Each round has
fresh databases, made from one template; the terminals stay connected.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import Rounds, circumstances, percentile
from benchmarks.floor import Floor, floor
from benchmarks.processes import LoadProcess, Meter, allow_open_files, load_process
from benchmarks.rows import BATCH, Rows, read_rows, write_rows
from benchmarks.stand import Stand, stand
from dispatch.clock import limit

if TYPE_CHECKING:
    from dispatch.clock import Clock

ROUND_WITHIN_S = 90.0
LOOK_EVERY_S = 0.05
SINGLE_AIM_MIN = 2.0
BARE_AIM_MIN = 0.4
OFFERED_MAX_S = 2.0
"""Every free worker holds an offer within so long after the last press was stored."""

STANDING = """SELECT
    (SELECT count(*) FROM incident WHERE origin = 'terminal') AS incidents,
    (SELECT count(*) FROM assignment WHERE state = 'offered') AS offers"""


@dataclass(frozen=True)
class Plan:
    """How many presses at once, how many free workers, how many rounds; `commits` are counted for the first peer."""

    presses: int = 10_000
    workers: int = 3_900
    rounds: int = 5
    commits: int = 3_000


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all rounds. Raises Refused or Unreachable."""
    allow_open_files(plan.presses)
    rounds = Rounds()
    async with stand(clock) as on, load_process() as load, floor(on) as below:
        await on.make_template(plan.presses, plan.workers)
        await load.ask("connect", mqtt_port=on.broker.port, terminals=plan.presses)
        for number in range(1, plan.rounds + 1):
            rows = await _ours(plan, on, load, rounds, f"surge{number}")
            await _peers(plan, on, below, rounds, rows)
    return _result(plan, rounds) | circumstances(clock)


async def _ours(plan: Plan, on: Stand, load: LoadProcess, rounds: Rounds, name: str) -> Rows:
    async with on.database(name) as dsn:
        await press_all(plan, on, load, rounds, dsn, name)
        return await read_rows(dsn)


async def press_all(plan: Plan, on: Stand, load: LoadProcess, rounds: Rounds, dsn: str, name: str) -> None:
    """One round: a service just started, and all terminals of `load` press."""
    async with on.service(dsn) as service:
        meter = Meter(service.child.pid, on.broker.pid, on.postgres.pid, load)
        watching = asyncio.create_task(_watch(plan, dsn, on.clock))
        try:
            answer = await load.ask("press_at_once", mark=name, within_s=ROUND_WITHIN_S)
            committed_s, offered_s = await watching
        finally:
            watching.cancel()
        used = meter.read()
    began_s, all_stored_s, stored_ms = answer["began_s"], answer["all_stored_s"], answer["stored_ms"]
    rounds.missing += plan.presses - len(stored_ms)
    rounds.add(
        stored_s=all_stored_s - began_s,
        stored_p50_ms=percentile(stored_ms, 0.5) if stored_ms else None,
        written_s=answer["written_s"] - began_s,
        committed_s=committed_s and committed_s - began_s,
        offered_s=offered_s and offered_s - began_s,
        offered_after_stored_s=offered_s and max(0.0, offered_s - all_stored_s),
        ours=len(stored_ms) / max(1e-9, all_stored_s - began_s),
        **used,
    )


async def _watch(plan: Plan, dsn: str, clock: Clock) -> tuple[float | None, float | None]:
    """When every incident was there, and when every worker had an offer: elapsed seconds; None if never."""
    offers_wanted = min(plan.workers, 2 * plan.presses)  # the default policy asks two workers for an SOS
    committed_s = offered_s = None
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with limit(ROUND_WITHIN_S):
            while committed_s is None or offered_s is None:
                row = await connection.fetchrow(STANDING)
                assert row is not None
                if committed_s is None and row["incidents"] == plan.presses:
                    committed_s = clock.elapsed()
                if offered_s is None and row["offers"] >= offers_wanted:
                    offered_s = clock.elapsed()
                await clock.sleep(LOOK_EVERY_S)
    except TimeoutError:
        pass  # what is None by now is told as such
    finally:
        await connection.close(timeout=5)
    return committed_s, offered_s


async def _peers(plan: Plan, on: Stand, below: Floor, rounds: Rounds, rows: Rows) -> None:
    await on.checkpoint()
    rounds.add(single_commits_per_s=await below.commits_per_s(plan.commits))
    async with on.database("bare") as dsn:
        rounds.add(bare_presses_per_s=await write_rows(dsn, rows, on.clock))


def _result(plan: Plan, rounds: Rounds) -> dict[str, Any]:
    middle = rounds.middle
    ours, single, bare = middle("ours"), middle("single_commits_per_s"), middle("bare_presses_per_s")
    after_s = middle("offered_after_stored_s") if "offered_after_stored_s" in rounds.figures else None
    is_soon = after_s is not None and after_s <= OFFERED_MAX_S
    is_whole = rounds.missing == 0 and all(len(each) == plan.rounds for each in rounds.figures.values())
    return {
        "name": "surge",
        "presses": plan.presses,
        "free_workers": plan.workers,
        "rounds": plan.rounds,
        "missing": rounds.missing,
        "all_stored_s": middle("stored_s"),
        "all_committed_s": middle("committed_s") if "committed_s" in rounds.figures else None,
        "every_worker_offered_s": middle("offered_s") if "offered_s" in rounds.figures else None,
        "every_worker_offered_after_stored_s": after_s,
        "stored_p50_ms": middle("stored_p50_ms"),
        "unit": "presses_per_s",
        "ours": ours,
        "ours_by_round": [round(each) for each in rounds.figures["ours"]],
        "peer": {"single_row_commits_per_s": single, "bare_asyncpg_presses_per_s": bare},
        "single_row_commits_taken": plan.commits,
        "bare_asyncpg_batch": BATCH,
        "ratio": {"to_single_row_commits": round(ours / single, 2), "to_bare_asyncpg": round(ours / bare, 2)},
        "aim": f">= {SINGLE_AIM_MIN} x single-row commits and >= {BARE_AIM_MIN} x bare asyncpg; "
        f"every worker offered within {OFFERED_MAX_S:.0f} s of the last stored",
        "met": is_whole and is_soon and ours >= SINGLE_AIM_MIN * single and ours >= BARE_AIM_MIN * bare,
        **{name: middle(name) for name in sorted(rounds.figures) if name.endswith("_cpu_s")},
    }
