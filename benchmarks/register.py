"""Who is in the register while we measure: numbered homes, terminals and workers, spread evenly over a city by COPY."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from datetime import datetime

STATIONS = 690
SINCE = date(2025, 1, 1)
SOUTH, WEST, SPAN_DEG = 24.43, 118.04, 0.14
TRAVEL = ("walk", "bicycle", "ebike", "ebike", "car")
GOLDEN, PLASTIC = 0.6180339887, 0.7548776662
"""Multiples of these, less their whole part, fill a square evenly without chance."""


def terminal_id(n: int) -> str:
    """The id of the n-th terminal."""
    return f"t{n:06}"


def home_of(n: int) -> str:
    """The id of a terminal's home, which is its address as well: so a phone's offer tells whose press it came from."""
    return f"h{n:06}"


def worker_id(n: int) -> str:
    """The id of the n-th worker."""
    return f"w{n:05}"


def token_of(n: int) -> str:
    """What signs a worker in. No secret: its database listens on the loopback for as long as we measure."""
    return f"measured-{n:05}"


def station_id(n: int) -> str:
    """The id of the station that the n-th home, worker or station belongs to."""
    return f"s{n % STATIONS:03}"


def place_of(n: int) -> tuple[float, float]:
    """Latitude and longitude (WGS-84 degrees) of the n-th home or station, spread evenly over a city."""
    return SOUTH + SPAN_DEG * (n * GOLDEN % 1), WEST + SPAN_DEG * (n * PLASTIC % 1)


def _rows(terminals: int, workers: int, now: datetime) -> dict[str, tuple[tuple[str, ...], list[tuple[Any, ...]]]]:
    """Each table's columns and rows, in the order in which tables refer to one another."""
    homes = range(terminals)
    station = [station_id(n) for n in range(max(terminals, workers, STATIONS))]
    return {
        "station": (
            ("station_id", "name", "lat", "lon"),
            [(station[n], station[n], *place_of(n)) for n in range(STATIONS)],
        ),
        "home": (
            ("home_id", "address", "lat", "lon", "access", "station_id"),
            [(home_of(n), home_of(n), *place_of(n), f'{{"floor": {n % 18 + 1}}}', station[n]) for n in homes],
        ),
        "elder": (("elder_id", "name", "birth_year"), [(f"e{n:06}", f"elder {n}", 1930 + n % 25) for n in homes]),
        "resident": (("home_id", "elder_id", "since"), [(home_of(n), f"e{n:06}", SINCE) for n in homes]),
        "contact": (
            ("home_id", "rank", "name", "relation", "phone"),
            [(home_of(n), 1, f"child {n}", "child", f"139{n:08}") for n in homes],
        ),
        "terminal": (("terminal_id",), [(terminal_id(n),) for n in homes]),
        "terminal_home": (
            ("terminal_id", "home_id", "since"),
            [(terminal_id(n), home_of(n), SINCE) for n in homes],
        ),
        "worker": (
            ("worker_id", "name", "station_id", "travel", "skills", "is_on_duty", "duty_at"),
            [
                (worker_id(n), f"worker {n}", station[n], TRAVEL[n % len(TRAVEL)], ["first_aid"], True, now)
                for n in range(workers)
            ],
        ),
        "session": (
            ("token_hash", "worker_id", "created_at", "expires_at"),
            [
                (hashlib.sha256(token_of(n).encode()).digest(), worker_id(n), now, now + timedelta(days=30))
                for n in range(workers)
            ],
        ),
    }


async def fill(dsn: str, terminals: int, workers: int, now: datetime) -> None:
    """Register so many terminals, a home each, and so many free workers, all on duty and signed in."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        tables = _rows(terminals, workers, now)
        for table, (columns, rows) in tables.items():
            await connection.copy_records_to_table(table, records=rows, columns=columns)
        # Not the tables that are still empty: analysed as such, they would be planned for as if they stayed so.
        # Vacuumed as well: it would come by itself, in the middle of somebody's measurement.
        await connection.execute(f"VACUUM (ANALYZE, FREEZE) {', '.join(tables)}", timeout=120)
    finally:
        await connection.close(timeout=5)
