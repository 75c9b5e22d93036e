"""What somebody who watches the service asks the database."""

from __future__ import annotations

from datetime import datetime

import msgspec

from dispatch.errors import BadSettings
from dispatch.store.database import Connection, migrations, statements

SQL = statements("watching")


async def expect_answer(connection: Connection) -> None:
    """Raises what keeps the database from answering."""
    await connection.fetchval(SQL["answer"])


class Look(msgspec.Struct, frozen=True):
    """Since when the oldest message, and the oldest receipt, wait to be sent; when the earliest clock of all runs out.

    A message to a worker whose page is closed waits by design until it expires; a receipt should never wait.
    """

    unsent_since: datetime | None
    receipt_unsent_since: datetime | None
    next_due_at: datetime | None


async def look(connection: Connection) -> Look:
    """As of now."""
    row = await connection.fetchrow(SQL["look"])
    assert row is not None
    return Look(**row)


async def expect_schema(connection: Connection) -> None:
    """Raises BadSettings if the database is not of this program's version: `not_migrated` or `newer_database`."""
    has_journal = await connection.fetchval(SQL["has_journal"])
    done = {row["name"] for row in await connection.fetch(SQL["migrated"])} if has_journal else set()
    known = set(migrations())
    if missing := sorted(known - done):
        raise BadSettings("not_migrated", migration=missing[0], reason="run `dispatch migrate` first")
    if newer := sorted(done - known):
        raise BadSettings("newer_database", migration=newer[0], reason="this database is of a newer version than I am")
