"""Puts a town into the register's tables, by COPY and one merge a table; what is there already stays as it is."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.town import Town

SINCE = date(2025, 1, 1)
"""Since when everybody lives where they live."""

COLUMNS = {
    "station": ("station_id", "name", "lat", "lon", "phone", "organisation", "district"),
    "home": ("home_id", "address", "lat", "lon", "access", "station_id"),
    "elder": ("elder_id", "name", "birth_year", "phone", "risks"),
    "resident": ("home_id", "elder_id", "since"),
    "contact": ("home_id", "rank", "name", "relation", "phone", "has_key"),
    "terminal": ("terminal_id", "kind", "phone"),
    "terminal_home": ("terminal_id", "home_id", "since"),
    "worker": ("worker_id", "name", "station_id", "travel", "phone", "skills", "is_on_duty"),
}


async def load(town: Town, dsn: str) -> int:
    """Write the town and return how many rows were new. The schema must be there (`dispatch migrate`)."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        async with connection.transaction():
            return sum([await _merge(connection, table, rows) for table, rows in _rows(town).items()])
    finally:
        await connection.close(timeout=5)


async def _merge(connection: asyncpg.Connection[Any], table: str, rows: Iterable[tuple[Any, ...]]) -> int:
    columns = COLUMNS[table]
    names = ", ".join(columns)
    await connection.execute(f"CREATE TEMP TABLE new_{table} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DROP")
    await connection.copy_records_to_table(f"new_{table}", records=rows, columns=columns)
    done = await connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM new_{table} ON CONFLICT DO NOTHING"  # noqa: S608 - our own names
    )
    return int(done.rpartition(" ")[2])


def _rows(town: Town) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of each table, in the order in which tables refer to one another."""
    return {
        "station": [
            (each.id, each.name, each.place.lat, each.place.lon, each.phone, each.organisation, each.district)
            for each in town.stations
        ],
        "home": [
            (
                each.id,
                each.address,
                each.place.lat if each.place else None,
                each.place.lon if each.place else None,
                msgspec.json.encode(each.access).decode(),
                each.station_id,
            )
            for each in town.homes
        ],
        "elder": [(each.id, each.name, each.birth_year, each.phone, list(each.risks)) for each in town.elders],
        "resident": [(home_id, elder_id, SINCE) for home_id, elder_id in town.residents],
        "contact": [
            (each.home_id, each.rank, each.name, each.relation, each.phone, each.has_key) for each in town.contacts
        ],
        "terminal": [(each.id, each.kind, each.phone) for each in town.terminals],
        "terminal_home": [(each.id, each.home_id, SINCE) for each in town.terminals],
        "worker": [
            (each.id, each.name, each.station_id, each.travel.value, each.phone, sorted(each.skills), each.is_on_duty)
            for each in town.workers
        ],
    }
