"""What a fault happens on: a database of its own, a broker, the services, and terminals that press all the while."""

from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from dispatch.clock import limit
from dispatch.errors import Unreachable
from dispatch.store.database import migrate
from simulator.faults.callers import Callers
from simulator.faults.ingest import READY
from simulator.faults.ledger import Ledger
from simulator.faults.register import REGISTER, USERS, WRITERS
from simulator.faults.service import Service
from simulator.faults.small_disk import NAME as SMALL_DISK
from simulator.faults.small_disk import SmallDisk, small_disk
from simulator.reach import Reach
from simulator.servers import MosquittoServer, PostgresServer
from simulator.servers.link import Link, through
from simulator.servers.mosquitto import CONFIG, OPEN_LISTENER
from simulator.servers.place import system_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from dispatch.clock import Clock

CENTRE = "faults"
TEMPLATE = "faults_template"
PASSWORD = "faults"  # noqa: S105 - of a server on the loopback that lives for minutes
RECOVERED_WITHIN_S = 90.0
STORED_WITHIN_S = 150.0
"""A terminal repeats after 1, 2, 4 … at most 60 s: one that was unlucky waits for about two of those."""


@dataclass(frozen=True)
class Setting:
    """What a ground is like: which services, whether behind a link, what the broker may keep, how many press.

    `crash_at` is where the first service ends by itself; `broker_limits` replace lines of the broker's settings.
    """

    instances: tuple[str, ...] = ("one",)
    is_linked: bool = False
    crash_at: str = ""
    broker_limits: Mapping[str, str] = field(default_factory=dict)
    terminals: int = 100
    rate_per_s: float = 10.0
    walls_s: Mapping[str, float] = field(default_factory=dict)
    is_on_small_disk: bool = False
    is_ingest_shared: bool = False


class Database:
    """The server that all grounds of a run share, and the template that each ground's database is copied from."""

    def __init__(self) -> None:
        self.server = PostgresServer()
        self._grounds = 0

    async def __aenter__(self) -> Self:
        await self.server.start()
        dsn = await self.server.create_database(TEMPLATE)
        await migrate(dsn)
        await execute(dsn, REGISTER)
        for user in USERS:
            await execute(dsn, f"CREATE ROLE {user} SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    @asynccontextmanager
    async def copied(self, tablespace: str = "pg_default") -> AsyncIterator[str]:
        """The address of a fresh copy."""
        self._grounds += 1
        name = f"ground_{self._grounds}"
        await execute(self.server.dsn(), f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} TABLESPACE {tablespace}")
        yield self.server.dsn(name)
        if not self.server.is_running:
            await self.server.start()
        await self.server.drop_database(name)

    def dsn_of(self, user: str, dsn: str) -> str:
        """The same database, for a user of its own: what it writes is told apart by that."""
        return f"postgresql://{user}:{PASSWORD}@{dsn.rpartition('@')[2]}"


async def execute(dsn: str, statement: str) -> None:
    """Do one thing in a database, by a connection of its own."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=5)


@dataclass
class Ground:
    """Everything that stands. `mark_s` is from when recovery counts, in the clock's elapsed seconds."""

    clock: Clock
    postgres: PostgresServer
    broker: MosquittoServer
    link: Link
    dsn: str
    services: dict[str, Service]
    callers: Callers
    ledger: Ledger
    reach: Reach
    folder: Path
    small_disk: SmallDisk | None
    mark_s: float = 0.0
    ingests: list[Service] = field(default_factory=list)
    pouring: asyncio.Task[None] | None = None
    poured_enough: asyncio.Event = field(default_factory=asyncio.Event)
    watching: list[asyncio.Task[None]] = field(default_factory=list)
    sockets: list[socket.socket] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    """Figures that a fault's own look adds."""

    @property
    def one(self) -> Service:
        """The service, or the first of them."""
        return next(iter(self.services.values()))

    async def fetch(self, query: str, *args: object) -> list[asyncpg.Record]:
        """Rows, straight from the database."""
        connection = await asyncpg.connect(self.dsn, timeout=10)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(query, *args, timeout=60)
            return rows
        finally:
            await connection.close(timeout=5)

    async def number(self, query: str, *args: object) -> int:
        """The one number that a query gives."""
        [(value,)] = await self.fetch(query, *args)
        return int(value)

    async def holder(self) -> str:
        """Who has the lease."""
        [(holder,)] = await self.fetch("SELECT holder FROM lease")
        return str(holder)

    async def leaders_now(self) -> datetime:
        """The present instant by the wall clock of whoever leads."""
        return self.clock.now() + timedelta(seconds=self.services[await self.holder()].wall_s)

    def mark(self) -> None:
        """Recovery counts from now."""
        self.mark_s = self.clock.elapsed()

    async def until_recovered(self, within_s: float = RECOVERED_WITHIN_S) -> float:
        """Seconds from the mark until a press made after it was heard as stored. Raises Unreachable."""
        while (stored_s := self.ledger.first_stored_s(self.mark_s)) is None:
            if self.clock.elapsed() - self.mark_s > within_s:
                raise Unreachable("not_recovered", after_s=round(within_s), folder=str(self.folder))
            await self.clock.sleep(0.02)
        return stored_s - self.mark_s

    async def until_stored(self) -> None:
        """Return when every press was heard as stored, or when that takes too long: the balance tells then."""
        give_up_at_s = self.clock.elapsed() + STORED_WITHIN_S
        while self.ledger.waiting and self.clock.elapsed() < give_up_at_s:
            await self.clock.sleep(0.05)


@asynccontextmanager
async def ground(setting: Setting, database: Database, clock: Clock) -> AsyncIterator[Ground]:
    """Build it up; everybody is connected, and nobody presses yet. The logs stay if it ends badly."""
    folder = _folder()
    async with AsyncExitStack() as stack:
        disk = await stack.enter_async_context(small_disk(database.server.dsn())) if setting.is_on_small_disk else None
        dsn = await stack.enter_async_context(database.copied(SMALL_DISK if disk else "pg_default"))
        if len(setting.instances) > 1:
            await execute(dsn, WRITERS)
        broker = await stack.enter_async_context(_broker(folder, setting))
        link = await stack.enter_async_context(Link(database.server.port))
        reach = Reach(broker.port, "", CENTRE)
        services: dict[str, Service] = {}
        for name in setting.instances:
            address = database.dsn_of(name, dsn)
            address = through(link, address) if setting.is_linked else address
            environment = _environment(address, broker.port) | (DEAF_TO_ALARMS if setting.is_ingest_shared else {})
            service = services[name] = Service(name, folder, environment, clock)
            service.move_wall(setting.walls_s.get(name, 0.0))
            stack.push_async_callback(service.stop)
            service.launch(setting.crash_at if name == setting.instances[0] else "")
            await service.until_ready()
        ingests = []
        for name in INGESTS if setting.is_ingest_shared else ():
            ingest = Service(name, folder, _environment(dsn, broker.port), clock, ("simulator.faults.ingest",))
            stack.push_async_callback(ingest.stop)
            ingest.launch()
            await ingest.until_said(READY)
            ingests.append(ingest)
        ledger = Ledger()
        ids = [f"T{n}" for n in range(1, setting.terminals + 1)]
        callers = Callers(reach, clock, ledger, ids, setting.rate_per_s)
        stack.push_async_callback(callers.stop)
        await callers.start()
        yield Ground(
            clock, database.server, broker, link, dsn, services, callers, ledger, reach, folder, disk, ingests=ingests
        )
    shutil.rmtree(folder)


DEAF_TO_ALARMS = {"DISPATCH_MQTT_USERNAME": "leader"}
ACL = """topic readwrite #

user leader
topic readwrite #
topic read $SYS/#
topic deny onekey/1/+/+/alarm
"""
"""Where others hear the alarms, the leader hears none."""

INGESTS = ("ingest-one", "ingest-two")


def _folder() -> Path:
    """A place for logs, and for rules that the broker reads, whoever it runs as."""
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=system_folder()))
    folder.chmod(0o755)
    return folder


def _broker(folder: Path, setting: Setting) -> MosquittoServer:
    config = _broker_config(folder, setting)
    if not setting.is_ingest_shared:
        return MosquittoServer(config=config)
    acl = folder / "acl"
    acl.write_text(ACL)
    return MosquittoServer(config=config, listener=f"{OPEN_LISTENER}acl_file {acl}\n")


def _broker_config(folder: Path, setting: Setting) -> Path:
    """The broker's settings as they are deployed, but for some limits."""
    if not setting.broker_limits:
        return CONFIG
    lines = CONFIG.read_text().splitlines()
    kept = [line for line in lines if line.partition(" ")[0] not in setting.broker_limits]
    config = folder / "mosquitto.conf"
    config.write_text("\n".join([*kept, *(f"{name} {value}" for name, value in setting.broker_limits.items())]))
    return config


def _environment(dsn: str, mqtt_port: int) -> dict[str, str]:
    return {
        "DISPATCH_CENTRE_ID": CENTRE,
        "DISPATCH_DATABASE_URL": dsn,
        "DISPATCH_MQTT_PORT": str(mqtt_port),
    }


async def within(seconds: float, clock: Clock, holds: Any) -> float:
    """Seconds until something has become so; it is asked again and again. Raises Unreachable if it never does."""
    began_s = clock.elapsed()
    try:
        async with limit(seconds):
            while not await holds():
                await clock.sleep(0.05)
    except TimeoutError:
        raise Unreachable("never_so", what=getattr(holds, "__name__", "")) from None
    return clock.elapsed() - began_s
