"""One PostgreSQL server for a row of benches, so that the register of a whole city is made once.

`all` starts it and tells its benches by the environment; a bench by itself starts a server of its own.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from simulator.servers import PostgresServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ADDRESS, PROCESS = "ONEKEY_BENCH_DATABASE_URL", "ONEKEY_BENCH_DATABASE_PID"


class LentServer(PostgresServer):
    """Somebody else's running server: neither started nor stopped here, and a database of an old run gives way."""

    def __init__(self, address: str, pid: int) -> None:
        super().__init__()
        self._address, self._pid = urlsplit(address), pid

    async def start(self, *, fresh: bool = False) -> None:
        """Nothing to do, and never from nothing."""
        assert not fresh

    async def stop(self) -> None:
        """Nothing to do."""

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._pid

    def dsn(self, database: str = "postgres") -> str:
        """The address of one database."""
        return urlunsplit(self._address._replace(path=f"/{database}"))

    async def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database; one of that name, which a bench that failed has left, is removed before."""
        await self.drop_database(name)
        return await super().create_database(name, template)


@asynccontextmanager
async def database_server() -> AsyncIterator[PostgresServer]:
    """The server that we are lent, or one of our own that ends with the block."""
    address = os.environ.get(ADDRESS)
    async with LentServer(address, int(os.environ[PROCESS])) if address else PostgresServer() as server:
        yield server


def lending(server: PostgresServer) -> dict[str, str]:
    """What tells a bench of this server, by its environment."""
    return {ADDRESS: server.dsn(), PROCESS: str(server.pid)}
