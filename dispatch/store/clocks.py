"""Clocks that somebody set while the wall clock was wrong: what they say lies ahead, and would be waited for."""

from __future__ import annotations

from datetime import datetime, timedelta

from dispatch.store.database import Connection, statements

SQL = statements("clocks")


async def newest(connection: Connection) -> datetime | None:
    """The instant that was written down last; None if nothing ever was."""
    at: datetime | None = await connection.fetchval(SQL["newest"])
    return at


async def set_back(connection: Connection, by: timedelta, now: datetime) -> None:
    """Have everything that waits for an instant wait so much less; once for what was written so far."""
    for statement in ("set_back_incidents", "set_back_assignments", "set_back_outbox"):
        await connection.execute(SQL[statement], by)
    await connection.execute(SQL["set_back_noted"], now)
