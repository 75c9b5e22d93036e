"""`history`: the last 24 hours of one elder, looked up among as many stored readings as one has time to make.

A reading every five minutes of each elder for a week, in the order in which they came: what one elder said lies in as
many places of a day's table as there are readings. The service's own statement; first after a restart of the database,
so that its memory is empty, then again. No peer; by itself it is not part of `all`, for making the rows takes long: ten
million in a minute or two, a hundred million (`--elders 50000`) in about twenty.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import circumstances, p50_p99
from benchmarks.register import terminal_id
from dispatch.model import TerminalId
from dispatch.store import vitals
from dispatch.store.database import migrate
from dispatch.store.partitions import Parted, make_parts
from simulator.servers import PostgresServer

if TYPE_CHECKING:
    from dispatch.clock import Clock

AIM_MAX_MS = 10.0
EVERY = timedelta(minutes=5)
A_DAY = 288
SINCE = datetime(2026, 3, 2, tzinfo=UTC)
MADE_WITHIN_S = 1_800.0
PARTED = Parted("vitals")
MAKE = """INSERT INTO vitals (terminal_id, happened_at, received_at, heart_rate_bpm, spo2_percent)
    SELECT 't' || lpad(n::text, 6, '0'), at, at + '1 s'::interval, 60 + n % 40, 94 + n % 6
    FROM generate_series($2::timestamptz, $3::timestamptz - $4::interval, $4::interval) AS at,
        generate_series(0, $1::int - 1) AS n ORDER BY at"""


@dataclass(frozen=True)
class Plan:
    """How many elders, for how many days; how many of them are looked up."""

    elders: int = 5_000
    days: int = 7
    looks: int = 500


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Make the rows and look elders up. Raises Refused or Unreachable."""
    async with PostgresServer() as postgres:
        dsn = await postgres.create_database("history")
        await migrate(dsn)
        began_s = clock.elapsed()
        await _make(plan, dsn)
        made_s = clock.elapsed() - began_s
        postgres.kill9()  # nothing is lost by it, and its memory is empty when it comes again
        await postgres.start()
        dsn = postgres.dsn("history")
        connection = await asyncpg.connect(dsn, timeout=10)
        try:
            figures = {"first": await _look(plan, connection, clock), "again": await _look(plan, connection, clock)}
        finally:
            await connection.close(timeout=5)
    return _result(plan, made_s, figures) | circumstances(clock)


async def _make(plan: Plan, dsn: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        days = [SINCE + timedelta(days=n) for n in range(plan.days)]
        await make_parts(connection, PARTED, [day.date() for day in days])
        for day in days:
            await connection.execute(MAKE, plan.elders, day, day + timedelta(days=1), EVERY, timeout=MADE_WITHIN_S)
            print(f"history: {plan.elders * A_DAY:,} readings of {day:%d %B}", file=sys.stderr)
        await connection.execute("VACUUM ANALYZE vitals", timeout=MADE_WITHIN_S)
        await connection.execute("CHECKPOINT", timeout=MADE_WITHIN_S)
    finally:
        await connection.close(timeout=5)


async def _look(plan: Plan, connection: asyncpg.Connection[Any], clock: Clock) -> list[float]:
    """Milliseconds of each elder's last 24 hours at noon of the last whole day: they lie in the tables of two days."""
    until = SINCE + timedelta(days=plan.days) - timedelta(hours=12)
    taken_ms = []
    for n in range(plan.looks):
        terminal = TerminalId(terminal_id(n * 7919 % plan.elders))
        began_s = clock.elapsed()
        readings = await vitals.of_terminals(connection, [terminal], until - timedelta(days=1), until, A_DAY + 2)
        taken_ms.append(1000 * (clock.elapsed() - began_s))
        assert len(readings) in {A_DAY, A_DAY + 1}, len(readings)
    return taken_ms


def _result(plan: Plan, made_s: float, figures: dict[str, list[float]]) -> dict[str, Any]:
    told = {name: value for way, taken in figures.items() for name, value in p50_p99(way, taken).items()}
    rows = plan.elders * plan.days * A_DAY
    return {
        "name": "history",
        "rows": rows,
        "elders": plan.elders,
        "days": plan.days,
        "looks": plan.looks,
        "readings_each": A_DAY,
        "rows_made_in_s": round(made_s),
        **told,
        "unit": "ms",
        "ours": told["again_p50_ms"],
        "peer": None,
        "ratio": None,
        "aim": f"last 24 h of one elder under {AIM_MAX_MS:.0f} ms",
        "met": told["again_p50_ms"] is not None and told["again_p50_ms"] < AIM_MAX_MS,
    }
