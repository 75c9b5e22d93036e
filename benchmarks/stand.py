"""What is measured on: the two servers, databases made from one template, and `dispatch serve` beside them.

All of it is started and ended here, listens on the loopback, and leaves only the service's log behind.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.lent import database_server
from benchmarks.register import fill
from dispatch.store.database import migrate
from simulator.servers import MosquittoServer
from simulator.servers.child import Child
from simulator.servers.ports import choose_port
from simulator.stage import is_ready

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dispatch.clock import Clock
    from simulator.servers import PostgresServer

CHECKOUT = Path(__file__).resolve().parents[1]
LOGS = CHECKOUT / ".data" / "bench"
CENTRE = "bench"
IS_THERE = "SELECT true FROM pg_database WHERE datname = $1"


@dataclass(frozen=True)
class Service:
    """A running `dispatch serve`."""

    url: str
    child: Child


@dataclass
class Stand:
    """The servers, and the template that holds the register."""

    postgres: PostgresServer
    broker: MosquittoServer
    clock: Clock
    template: str = ""

    async def make_template(self, terminals: int, workers: int) -> None:
        """Prepare what each database begins with: the schema and a full register; one that is there is taken."""
        self.template = f"register_{terminals}_{workers}"
        connection = await asyncpg.connect(self.postgres.dsn(), timeout=10)
        try:
            if await connection.fetchval(IS_THERE, self.template):
                return
            dsn = await self.postgres.create_database("half_a_register")
            await migrate(dsn)
            await fill(dsn, terminals, workers, self.clock.now())
            await connection.execute(f"ALTER DATABASE half_a_register RENAME TO {self.template}")
        finally:
            await connection.close(timeout=5)

    @asynccontextmanager
    async def database(self, name: str) -> AsyncIterator[str]:
        """A fresh database with the register in it; everything is on disk when it is handed out."""
        dsn = await self.postgres.create_database(name, self.template)
        await self.checkpoint()
        yield dsn
        await self.postgres.drop_database(name)

    async def checkpoint(self) -> None:
        """Write everything to disk now, so that nobody's measurement pays for what was done before it."""
        connection = await asyncpg.connect(self.postgres.dsn(), timeout=10)
        await connection.execute("CHECKPOINT", timeout=60)
        await connection.close(timeout=5)

    @asynccontextmanager
    async def service(self, dsn: str) -> AsyncIterator[Service]:
        """`dispatch serve` with the default policy on this database, ready for presses."""
        port = choose_port(None, "dispatch serve")
        child = Child("dispatch serve", LOGS / "dispatch.log", user=None, stop_signal=signal.SIGTERM)
        settings = {
            "DISPATCH_CENTRE_ID": CENTRE,
            "DISPATCH_INSTANCE": "bench",
            "DISPATCH_DATABASE_URL": dsn,
            "DISPATCH_MQTT_PORT": str(self.broker.port),
            "DISPATCH_HTTP_PORT": str(port),
        }
        ours = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCH_")}
        child.start([sys.executable, "-m", "dispatch", "serve"], ours | {"PYTHONPATH": str(CHECKOUT)} | settings)
        try:
            service = Service(f"http://127.0.0.1:{port}", child)
            await child.until_ready(lambda: is_ready(service.url), self.clock)
            yield service
        finally:
            await child.stop()


@asynccontextmanager
async def stand(clock: Clock) -> AsyncIterator[Stand]:
    """Both servers, in places that are removed at the end."""
    LOGS.mkdir(parents=True, exist_ok=True)
    (LOGS / "dispatch.log").unlink(missing_ok=True)
    async with database_server() as postgres, MosquittoServer() as broker:
        yield Stand(postgres, broker, clock)
