"""`import`: a city's register from CSV files by `dispatch import`, beside raw COPY of the very rows it made.

Raw COPY gets the rows ready made, as PostgreSQL's own CSV, into empty tables of the same shape: the same columns,
checks, primary keys and other indexes, but no foreign keys, and a commit for each table. `ratio` is against that, the
stricter reading: the register checks six foreign keys a home, which no import can leave out while the centre works.
What COPY takes into the register's own tables, foreign keys and all, is told beside it. In turn, round by round.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import circumstances, median
from benchmarks.files import write_files
from benchmarks.processes import cpu_s, database_cpu_s
from benchmarks.stand import CENTRE, CHECKOUT
from dispatch.clock import limit
from dispatch.errors import Unreachable
from dispatch.store.database import migrate
from simulator.servers import PostgresServer

if TYPE_CHECKING:
    from dispatch.clock import Clock

AIM_MAX = 4.0
IMPORT_WITHIN_S = 600.0
TABLES = ("station", "home", "elder", "resident", "terminal", "terminal_home")
"""In the order in which they refer to one another."""


@dataclass(frozen=True)
class Plan:
    """How many elders, each in a home with a terminal; how many rounds."""

    elders: int = 400_000
    rounds: int = 5


@dataclass(frozen=True)
class Ground:
    """The server, a database with the schema alone, and a folder for files."""

    postgres: PostgresServer
    folder: Path
    clock: Clock


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all rounds. Raises Unreachable if an import fails."""
    figures: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="onekey-bench-") as folder:
        files = write_files(Path(folder), plan.elders)
        async with PostgresServer() as postgres:
            await migrate(await postgres.create_database("empty"))
            ground = Ground(postgres, Path(folder), clock)
            for number in range(plan.rounds):
                for name, value in (await _round(ground, files, is_first=number == 0)).items():
                    figures.setdefault(name, []).append(value)
    return _result(plan, figures) | circumstances(clock)


async def _round(ground: Ground, files: list[Path], *, is_first: bool) -> dict[str, float]:
    dsn = await _fresh(ground, "ours")
    figures = await _ours(ground, dsn, files)
    if is_first:
        await _hand_out(dsn, ground.folder)
    await ground.postgres.drop_database("ours")
    for name, has_keys in (("raw_copy_s", False), ("raw_copy_with_foreign_keys_s", True)):
        dsn = await _fresh(ground, "copied")
        figures[name] = await _copy(ground, dsn, has_keys=has_keys)
        await ground.postgres.drop_database("copied")
    return figures


async def _fresh(ground: Ground, name: str) -> str:
    """An empty register; what was written before is on disk, so that nobody pays for another's rows."""
    dsn = await ground.postgres.create_database(name, "empty")
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute("CHECKPOINT", timeout=120)
    await connection.close(timeout=5)
    return dsn


async def _ours(ground: Ground, dsn: str, files: list[Path]) -> dict[str, float]:
    """The command as it is given, from its start to its end."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCH_")}
    settings = {"PYTHONPATH": str(CHECKOUT), "DISPATCH_CENTRE_ID": CENTRE, "DISPATCH_DATABASE_URL": dsn}
    used_s, database_s = cpu_s(os.getpid()) or 0.0, database_cpu_s(ground.postgres.pid) or 0.0
    began_s = ground.clock.elapsed()
    command = [sys.executable, "-m", "dispatch", "import", *map(str, files)]
    process = await asyncio.create_subprocess_exec(*command, env=ours | settings, stdout=-1, stderr=-1)
    async with limit(IMPORT_WITHIN_S):
        said, complained = await process.communicate()
    took_s = ground.clock.elapsed() - began_s
    if process.returncode:
        raise Unreachable("import_failed", said=(complained or said).decode()[-300:])
    return {
        "ours_s": took_s,
        "import_cpu_s": (cpu_s(os.getpid()) or 0.0) - used_s,
        "database_cpu_s": (database_cpu_s(ground.postgres.pid) or 0.0) - database_s,
    }


async def _hand_out(dsn: str, folder: Path) -> None:
    """Keep the rows that the import made, as PostgreSQL's own CSV."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        for table in TABLES:
            await connection.copy_from_table(table, output=folder / f"{table}.copy", format="csv")
    finally:
        await connection.close(timeout=5)


async def _copy(ground: Ground, dsn: str, *, has_keys: bool) -> float:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        if not has_keys:
            await connection.execute("CREATE SCHEMA shapes")
            for table in TABLES:
                await connection.execute(f"CREATE TABLE shapes.{table} (LIKE public.{table} INCLUDING ALL)")
            await connection.execute("SET search_path = shapes")
        began_s = ground.clock.elapsed()
        for table in TABLES:
            await connection.copy_to_table(table, source=ground.folder / f"{table}.copy", format="csv")
        return ground.clock.elapsed() - began_s
    finally:
        await connection.close(timeout=5)


def _result(plan: Plan, figures: dict[str, list[float]]) -> dict[str, Any]:
    ours_s, peer_s, with_keys_s = (
        median(figures[name]) for name in ("ours_s", "raw_copy_s", "raw_copy_with_foreign_keys_s")
    )
    ratio = median([mine / theirs for mine, theirs in zip(figures["ours_s"], figures["raw_copy_s"], strict=True)])
    return {
        "name": "import",
        "elders": plan.elders,
        "terminals": plan.elders,
        "rounds": plan.rounds,
        "rows_per_s": round(2 * plan.elders / ours_s),
        "unit": "s",
        "ours": ours_s,
        "ours_by_round": [round(each, 1) for each in figures["ours_s"]],
        "peer": peer_s,
        "peer_by_round": [round(each, 1) for each in figures["raw_copy_s"]],
        "raw_copy_with_foreign_keys_s": with_keys_s,
        "ratio_with_foreign_keys": round(ours_s / with_keys_s, 2),
        "import_cpu_s": median(figures["import_cpu_s"]),
        "database_cpu_s": median(figures["database_cpu_s"]),
        "ratio": ratio,
        "aim": f"<= {AIM_MAX} x raw COPY",
        "met": ratio <= AIM_MAX,
    }
