"""The lease row: which process dispatches (DESIGN.md section 4, invariant 8)."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dispatch.store.database import Connection, statements

SQL = statements("lease")


class LeaseRow(msgspec.Struct, frozen=True):
    """The lease as it stands: its term, who holds it, and a count that rises while that one lives."""

    term: int
    holder: str
    beat: int


async def read(connection: Connection) -> LeaseRow | None:
    """The lease; None if nobody has ever dispatched."""
    row = await connection.fetchrow(SQL["read"])
    return LeaseRow(**row) if row else None


async def found(connection: Connection, holder: str, now: datetime) -> bool:
    """Take the first lease of all; False if somebody else did."""
    return bool(await connection.execute(SQL["found"], holder, now) == "INSERT 0 1")


async def take(connection: Connection, after: int, holder: str, now: datetime) -> bool:
    """Take the term after `after`; False if somebody else did. Waits for dispatching transactions under `after`."""
    return bool(await connection.execute(SQL["take"], after, holder, now) == "UPDATE 1")


async def beat(connection: Connection, term: int) -> bool:
    """Say that the holder lives; False if the term is over."""
    return bool(await connection.execute(SQL["beat"], term) == "UPDATE 1")
