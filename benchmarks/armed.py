"""A hundred thousand open calls whose clocks run: copies of one that the rules opened, each of a home of its own.

The one is a press of the family key that nobody has answered, after the first step of its ladder. When its clock runs
out the rules take the next step: contacts and station are told, the level rises, a new clock starts.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.register import terminal_id

if TYPE_CHECKING:
    from collections.abc import Sequence

STEP_LOGGED = "climbed"
FAR = timedelta(days=30)
HOMES = "generate_series($1::int, $2::int) AS n"

COLUMNS = """SELECT column_name FROM information_schema.columns
    WHERE table_name = 'incident' AND table_schema = current_schema() AND column_name <> 'number'"""
CHANGED = {
    "incident_id": "('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid",
    "subject_id": "'h' || lpad(n::text, 6, '0')",
    "callers": "replace(callers::text, $4, 't' || lpad(n::text, 6, '0'))::jsonb",
    "step": "1",
    "level": "1",
    "due_at": "$3",
    "step_due_at": "$3",
    "verify_by": "$3",
}
SET_DUE = """UPDATE incident SET due_at = new.due_at, step_due_at = new.due_at
    FROM unnest($1::text[], $2::timestamptz[]) AS new (subject_id, due_at)
    WHERE incident.subject_id = new.subject_id AND closed_at IS NULL"""
PUT_OFF = """UPDATE incident SET due_at = $1, step_due_at = $1, verify_by = CASE WHEN verify_by IS NOT NULL THEN $1 END
    WHERE due_at < $1"""
TAKEN = """SELECT seq, subject_id FROM incident_log AS log JOIN incident USING (incident_id)
    WHERE seq > $1 AND code = $2 ORDER BY seq"""
NEWEST = "SELECT coalesce(max(seq), 0) FROM incident_log"
TOLD = "SELECT count(*) FROM outbox WHERE channel = 'contact'"


async def arm(dsn: str, count: int, first: int, now: datetime) -> int:
    """Copy the one open call of `dsn` for the homes of `count` terminals from `first` on; how many calls there are."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        names = [row["column_name"] for row in await connection.fetch(COLUMNS)]
        values = [CHANGED.get(name, name) for name in names]
        copy = f"INSERT INTO incident ({', '.join(names)}) SELECT {', '.join(values)} FROM incident, {HOMES}"
        far = now + FAR
        await connection.execute(copy, first, first + count - 1, far, terminal_id(0), timeout=120)
        await connection.execute(PUT_OFF, far)
        await connection.execute("VACUUM ANALYZE incident", timeout=60)
        return int(await connection.fetchval("SELECT count(*) FROM incident"))
    finally:
        await connection.close(timeout=5)


class Watcher:
    """Makes clocks run out, and sees each step that was taken when it has been committed, in the log."""

    def __init__(self, connection: asyncpg.Connection[Any]) -> None:
        self._connection = connection
        self._seen = 0

    async def set_due(self, homes: Sequence[str], due_at: Sequence[datetime]) -> None:
        """Have these homes' clocks run out then."""
        self._seen = await self._connection.fetchval(NEWEST)
        await self._connection.execute(SET_DUE, homes, due_at, timeout=60)

    async def put_off(self, now: datetime) -> None:
        """Have none run out for a long time; then let the tables have their rest."""
        await self._connection.execute(PUT_OFF, now + FAR, timeout=60)
        await self._connection.execute("VACUUM incident", timeout=60)
        await self._connection.execute("CHECKPOINT", timeout=60)

    async def taken(self) -> list[str]:
        """The homes whose steps have been committed since the last look, one for each step."""
        rows = await self._connection.fetch(TAKEN, self._seen, STEP_LOGGED)
        if rows:
            self._seen = rows[-1]["seq"]
        return [row["subject_id"] for row in rows]

    async def told(self) -> int:
        """How many messages to contacts and stations there are."""
        return int(await self._connection.fetchval(TOLD))
