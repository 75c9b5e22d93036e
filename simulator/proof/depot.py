"""The real connections to PostgreSQL, used again for one virtual connection after the other: connecting is dear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg


@dataclass
class Real:
    """One connection, and the server process behind it. `kind` is what it was opened with."""

    connection: asyncpg.Connection[Any]
    pid: int
    kind: tuple[tuple[str, str], ...]


class Depot:
    """All real connections to one database."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._idle: dict[tuple[tuple[str, str], ...], list[Real]] = {}
        self._all: list[Real] = []

    async def take(self, settings: dict[str, str]) -> Real:
        """One that is at rest."""
        kind = tuple(sorted(settings.items()))
        idle = self._idle.setdefault(kind, [])
        if idle:
            return idle.pop()
        connection = await asyncpg.connect(self._dsn, server_settings=settings, timeout=10)
        real = Real(connection, connection.get_server_pid(), kind)
        self._all.append(real)
        return real

    async def give_back(self, real: Real) -> None:
        """Roll back what was under way, as PostgreSQL does when a client is gone."""
        if real.connection.is_in_transaction():
            await real.connection.execute("ROLLBACK")
        self._idle[real.kind].append(real)

    async def close(self) -> None:
        """End them all."""
        for real in self._all:
            real.connection.terminate()
