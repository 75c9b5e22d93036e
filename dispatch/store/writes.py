"""Everything that one batch decided, written in one round trip: a statement of common table expressions.

The parts run in no promised order and on the same snapshot, so none may build on what another writes; foreign keys are
looked at when all have run. Only the log's place is certain: its turn is taken when every other part is written, so
that nobody holds the turn while waiting for somebody else's row.

Rows go over as one JSON text a part. A parameter for every column costs asyncpg four times as much to encode, and both
sides together a little more. PostgreSQL reads it as jsonb, which takes it a quarter less time than as json.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import asyncpg
import msgspec

from dispatch.crash import crash_at
from dispatch.errors import Overtaken
from dispatch.store.database import LEASE, Connection

_encoder = msgspec.json.Encoder(enc_hook=str)
_PARAMETER = re.compile(r"\$(\d+)")
_TURN = "SELECT pg_advisory_xact_lock(7205759403793)"
"""Who holds it appends to the log; it ends with the transaction, so the log's numbers follow the order of commits."""
HELD, CHECKED, LOG = "held", "checked", "log"

Shape = tuple[tuple[str, str, int], ...]
"""Name, statement and number of parameters of each part."""


def as_json(rows: Sequence[msgspec.Struct]) -> str:
    """Rows as PostgreSQL's jsonb_to_recordset reads them: bytes in base64, instants in RFC 3339."""
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

    async def commit(self, connection: Connection, expected: int, term: int | None) -> None:
        """Execute all and commit, in one statement by itself, if the checked one writes `expected` rows and the lease
        is still held under `term` (None: nobody holds one).

        Raises Overtaken, and nothing was written, if not.
        """
        if not self._shape:
            return
        crash_at("before_commit")
        bounds = (expected,) if term is None else (expected, term)
        try:
            await connection.execute(_or_nothing(tuple(self._shape), term is not None), *self._values, *bounds)
        except asyncpg.DivisionByZeroError as error:
            raise Overtaken("changed_meanwhile", incidents=expected) from error


@lru_cache(maxsize=256)
def _together(shape: Shape) -> str:
    """One statement of all parts. There are few shapes, so each is made once and prepared once a connection."""
    count_of = _count(CHECKED) if any(name == CHECKED for name, _, _ in shape) else "0"
    return f"WITH {', '.join(_parts(shape, []))}\nSELECT {count_of}"


@lru_cache(maxsize=256)
def _or_nothing(shape: Shape, is_held: bool) -> str:
    """One statement of all parts that fails unless as many rows were checked as its next parameter says, under the
    term that the last one says.

    Outside of a function PostgreSQL has no word for raising an error; nothing else here divides. The lease is locked
    first of all, so that nobody who waits for it holds the turn.
    """
    expected = sum(count for _, _, count in shape) + 1
    count_of = _count(CHECKED) if any(name == CHECKED for name, _, _ in shape) else "0"
    holds = f"{count_of} = ${expected}::bigint"
    parts = _parts(shape, [HELD] if is_held else [])
    if is_held:
        parts.insert(0, f"{HELD} AS MATERIALIZED (\n{_shifted(LEASE, expected)}\n)")
        holds = f"{_count(HELD)} = 1 AND {holds}"
    return f"WITH {', '.join(parts)}\nSELECT 1 / ({holds})::int"


def _parts(shape: Shape, first: list[str]) -> list[str]:
    """The parts as common table expressions; `first` are some before them that the turn must wait for as well."""
    parts, before = [], 0
    for name, sql, count in shape:
        if name == LOG:
            parts.append(
                f"turn AS MATERIALIZED (\n{_turn_after(first + [part for part, _, _ in shape if part != LOG])}\n)"
            )
        parts.append(f"{name} AS (\n{_shifted(sql, before)}\nRETURNING 1\n)")
        before += count
    return parts


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
