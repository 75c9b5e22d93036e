"""Whom to phone about each terminal, read a page at a time: what the centre keeps in memory for when this is away."""

from __future__ import annotations

from datetime import date

from dispatch.model import TerminalId
from dispatch.store.database import Connection, statements

SQL = statements("telephones")
Line = tuple[TerminalId, str]
"""A terminal, and a JSON array: terminal, home, address, the terminal's number or null, residents as [name, number or
null], contacts as [name, relation, number]; null for no residents or contacts."""


async def telephones(connection: Connection, after: str, limit: int, day: date) -> list[Line]:
    """The next terminals behind one (the first behind an empty text), in the database's own order."""
    return [tuple(row) for row in await connection.fetch(SQL["telephones"], after, limit, day)]
