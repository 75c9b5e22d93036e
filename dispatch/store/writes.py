"""Everything that one batch decided, written in one round trip: a statement of common table expressions.

The parts run in no promised order and on the same snapshot, so none may build on what another writes; foreign keys are
looked at when all have run. Only the log's place is certain: its turn is taken when every other part is written, so
that nobody holds the turn while waiting for somebody else's row.

Rows go over as one JSON text a part. A parameter for every column costs asyncpg five times as much to encode, and
PostgreSQL reads the one as fast as the other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from dispatch.crash import crash_at
from dispatch.store.database import Connection

_encoder = msgspec.json.Encoder(enc_hook=str)
_PARAMETER = re.compile(r"\$(\d+)")
_TURN = "SELECT pg_advisory_xact_lock(7205759403793)"
"""Who holds it appends to the log; it ends with the transaction, so the log's numbers follow the order of commits."""
CHECKED, LOG = "checked", "log"

Shape = tuple[tuple[str, str, int], ...]
"""Name, statement and number of parameters of each part."""


def as_json(rows: Sequence[msgspec.Struct]) -> str:
    """Rows as PostgreSQL's json_to_recordset reads them: bytes in base64, instants in RFC 3339."""
    return _encoder.encode(rows).decode()


class Writes:
    """Statements gathered, to be executed together."""

    def __init__(self) -> None:
        self._shape: list[tuple[str, str, int]] = []
        self._values: list[Any] = []

    def add(self, sql: str, *values: Any) -> None:
        """One more INSERT or UPDATE with its parameters."""
        self._add(f"part{len(self._shape)}", sql, *values)

    def add_rows(self, sql: str, rows: Sequence[msgspec.Struct]) -> None:
        """One more whose only parameter is its rows, as a JSON array of objects."""
        self.add(sql, as_json(rows))

    def add_checked(self, sql: str, rows: Sequence[msgspec.Struct]) -> None:
        """The one whose written rows `execute` counts; at most one."""
        self._add(CHECKED, sql, as_json(rows))

    def add_log(self, sql: str, rows: Sequence[msgspec.Struct]) -> None:
        """The log's part, which reads from `turn`; at most one, and the last."""
        self._add(LOG, sql, as_json(rows))

    def _add(self, name: str, sql: str, *values: Any) -> None:
        self._shape.append((name, sql, len(values)))
        self._values += values

    async def execute(self, connection: Connection) -> int:
        """Execute all; how many rows the checked one wrote, 0 without any."""
        if not self._shape:
            return 0
        crash_at("before_commit")  # what goes in by this one statement is committed by it
        count: int = await connection.fetchval(_together(tuple(self._shape)), *self._values)
        return count


@lru_cache(maxsize=256)
def _together(shape: Shape) -> str:
    """One statement of all parts. There are few shapes, so each is made once and prepared once a connection."""
    parts, before = [], 0
    for name, sql, count in shape:
        if name == LOG:
            parts.append(f"turn AS MATERIALIZED (\n{_turn_after([part for part, _, _ in shape if part != LOG])}\n)")
        parts.append(f"{name} AS (\n{_shifted(sql, before)}\nRETURNING 1\n)")
        before += count
    count_of = _count(CHECKED) if any(name == CHECKED for name, _, _ in shape) else "0"
    return f"WITH {', '.join(parts)}\nSELECT {count_of}"


def _turn_after(names: list[str]) -> str:
    """Take the turn when the rows of these parts are written: counting them makes PostgreSQL write them first."""
    if not names:
        return _TURN
    return f"{_TURN} FROM (SELECT {' + '.join(map(_count, names))} AS rows) AS written WHERE rows >= 0"


def _count(name: str) -> str:
    return f"(SELECT count(*) FROM {name})"  # noqa: S608 - a name of our own


def _shifted(sql: str, by: int) -> str:
    """The statement with each of its parameters' numbers raised."""
    return _PARAMETER.sub(lambda found: f"${int(found[1]) + by}", sql)
