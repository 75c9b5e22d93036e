"""The peer of a surge: bare asyncpg writing the rows that the service wrote, without MQTT, rules or receipts.

The rows are read back from a database in which the service has just taken the presses: of every call its incident, its
alarm, and whatever log lines and messages were written by the commit that opened it. They go into a fresh copy of the
same database: the same tables, constraints, indexes and triggers.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from dispatch.clock import Clock

BATCH = 500
OPENED = "incident.origin = 'terminal'"
OF_OPENING = {
    "incident": f"SELECT incident.* FROM incident WHERE {OPENED} ORDER BY incident_id",
    "alarm": f"SELECT alarm.* FROM alarm JOIN incident USING (incident_id) WHERE {OPENED} ORDER BY incident_id",
    "outbox": f"""SELECT outbox.* FROM outbox JOIN incident USING (incident_id)
        WHERE {OPENED} AND outbox.created_at = incident.opened_at ORDER BY incident_id""",
    "incident_log": f"""SELECT log.* FROM incident_log AS log JOIN incident USING (incident_id)
        WHERE {OPENED} AND log.at = incident.opened_at ORDER BY incident_id, seq""",
}
"""In the order in which they are written."""

AS_OPENED: dict[str, dict[str, Any]] = {
    "incident": {"version": 1, "state": "waiting", "wants": 2, "nobody": False},
    "outbox": {"state": "queued", "ended_at": None, "reason": None, "attempts": 0},
}
"""What has changed since a row was written, and is put back."""

GENERATED = {"number", "seq"}
"""Numbers that the database gives."""

Batch = list[tuple[str, str, list[list[Any]]]]
"""Table, statement, a list of values for each column."""


class Rows:
    """All rows of all calls, cut into batches of `BATCH` calls, ready to be written."""

    def __init__(self, policies: Sequence[asyncpg.Record], batches: list[Batch], count: int) -> None:
        self.policies, self.batches, self.count = policies, batches, count


async def read_rows(dsn: str) -> Rows:
    """Read back what the service wrote for each call."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        policies = await connection.fetch("SELECT * FROM policy")
        tables = {table: await connection.fetch(statement) for table, statement in OF_OPENING.items()}
        inserts = {table: await _insert(connection, table) for table in OF_OPENING}
    finally:
        await connection.close(timeout=5)
    ids = [row["incident_id"] for row in tables["incident"]]
    of_call = {table: _by_call(rows) for table, rows in tables.items()}
    calls = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
    batches = [
        [(table, *_columns(table, _of(some, rows), inserts[table])) for table, rows in of_call.items()]
        for some in calls
    ]
    return Rows(policies, batches, len(ids))


def _by_call(rows: Sequence[asyncpg.Record]) -> dict[UUID, list[asyncpg.Record]]:
    found: dict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row["incident_id"]].append(row)
    return found


async def _insert(connection: asyncpg.Connection[Any], table: str) -> tuple[list[str], str]:
    """The columns to write, and one statement that writes many rows, a parameter for each column."""
    found = await connection.fetch(
        """SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute
        WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND atttypid <> 'text[]'::regtype
        ORDER BY attnum""",
        table,
    )
    columns = {row["attname"]: row["type"] for row in found if row["attname"] not in GENERATED}
    names = ", ".join(columns)
    values = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(columns.values(), 1))
    return list(columns), f"INSERT INTO {table} ({names}) SELECT {names} FROM unnest({values}) AS new ({names})"


def _of(calls: Sequence[UUID], rows: dict[UUID, list[asyncpg.Record]]) -> list[asyncpg.Record]:
    return [row for call in calls for row in rows[call]]


def _columns(table: str, rows: Sequence[asyncpg.Record], insert: tuple[list[str], str]) -> tuple[str, list[list[Any]]]:
    names, statement = insert
    put_back = AS_OPENED.get(table, {})
    return statement, [[put_back.get(name, row[name]) for row in rows] for name in names]


async def write_rows(dsn: str, rows: Rows, clock: Clock) -> float:
    """Write all batches, a commit each, on one connection; returns how many calls a second."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.executemany("INSERT INTO policy VALUES ($1, $2, $3)", [tuple(row) for row in rows.policies])
        began_s = clock.elapsed()
        for batch in rows.batches:
            async with connection.transaction():
                for _, statement, columns in batch:
                    await connection.execute(statement, *columns)
        return rows.count / (clock.elapsed() - began_s)
    finally:
        await connection.close(timeout=5)
