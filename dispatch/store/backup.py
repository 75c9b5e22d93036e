"""A whole database into one file, and out of it again, while everybody works.

The file is a zip: a text COPY of each table as of one instant (a snapshot: nobody is stopped, nobody's half is in it),
and last of all a manifest with the migrations, and each table's rows and SHA-256. It goes back only into an empty
database, only if all of it is as it was written, in one transaction.
"""

from __future__ import annotations

import contextlib
import graphlib
import hashlib
import os
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from dispatch.errors import BadInput, Refused
from dispatch.store.database import AWAY, CLOSE_WITHIN_S, CONNECT_WITHIN_S, apply, away, migrations, statements

SQL = statements("backup")
FORMAT = 1
MANIFEST = "manifest.json"
CHUNK_BYTES = 1 << 20
COPY_WITHIN_S = 6 * 3600
BOUNDS = re.compile(r"FOR VALUES FROM \('[0-9 :+.-]+'\) TO \('[0-9 :+.-]+'\)|DEFAULT")
SESSION = {
    "application_name": "onekey-backup",
    "TimeZone": "UTC",
    "DateStyle": "ISO",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "tcp_keepalives_idle": "10",
}


class Part(msgspec.Struct, frozen=True):
    """One part of a parted table, and its bounds as PostgreSQL writes them."""

    name: str
    bounds: str


class Table(msgspec.Struct, frozen=True):
    """One table in the file. `counts` is the column that draws its own numbers, if any; `sha256` of the COPY's text."""

    name: str
    columns: tuple[str, ...]
    counts: str | None
    parts: tuple[Part, ...]
    rows: int
    size_bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds; tables stand in the order in which they can be filled. `migrations`: name to checksum."""

    format: int
    taken_at: datetime
    postgresql: str
    migrations: dict[str, str]
    tables: tuple[Table, ...]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.rows for table in self.tables)


# --- out --------------------------------------------------------------------------------------------------------------


async def backup(dsn: str, file: Path, now: datetime) -> Manifest:
    """Write the database as of now into a file, which appears under its name only when it is whole and on the disk.

    Raises Refused (`file_exists`, `cannot_write`), Unreachable.
    """
    unfinished = _unfinished(file)
    try:
        with _private(unfinished) as raw:
            with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                async with _connected(dsn) as connection:
                    manifest = await _write(connection, archive, now)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.rename(file)
    except OSError as error:
        raise Refused("cannot_write", file=str(file), reason=error.strerror or type(error).__name__) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return manifest


def _unfinished(file: Path) -> Path:
    if file.exists():
        raise Refused("file_exists", file=str(file))
    return file.with_name(f"{file.name}.unfinished")


@contextlib.contextmanager
def _private(path: Path) -> Iterator[Any]:
    """A file that nobody else may read: names, addresses and numbers are in it."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as raw:
        yield raw


async def _write(connection: asyncpg.Connection[Any], archive: zipfile.ZipFile, now: datetime) -> Manifest:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        done = {row["name"]: row["checksum"] for row in await connection.fetch(SQL["migrations"])}
        parts: dict[str, list[Part]] = {}
        for row in await connection.fetch(SQL["parts"]):
            parts.setdefault(row["parent"], []).append(Part(row["name"], row["bounds"]))
        shapes = {row["name"]: row for row in await connection.fetch(SQL["tables"])}
        tables = []
        for name in await _in_order(connection, list(shapes)):
            shape = shapes[name]
            text = await _copy_out(connection, archive, name, shape["columns"])
            tables.append(Table(name, tuple(shape["columns"]), shape["counts"], tuple(parts.get(name, ())), *text))
        version = await connection.fetchval(SQL["version"])
    manifest = Manifest(FORMAT, now, version, done, tuple(tables))
    archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


async def _in_order(connection: asyncpg.Connection[Any], names: list[str]) -> list[str]:
    """Tables after those that they refer to."""
    order: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter(dict.fromkeys(names, ()))
    for row in await connection.fetch(SQL["references"]):
        order.add(row["name"], row["needs"])
    return list(order.static_order())


async def _copy_out(
    connection: asyncpg.Connection[Any], archive: zipfile.ZipFile, name: str, columns: list[str]
) -> tuple[int, int, str]:
    """One table into the archive; its rows, bytes and SHA-256."""
    digest, size = hashlib.sha256(), 0
    listed = ", ".join(map(_quoted, columns))
    with archive.open(f"{name}.copy", "w", force_zip64=True) as entry:

        async def take(data: bytes) -> None:
            nonlocal size
            size += len(data)
            digest.update(data)
            entry.write(data)

        query = f"SELECT {listed} FROM {_quoted(name)}"  # noqa: S608 - names from the catalogue, quoted
        done = await connection.copy_from_query(query, output=take, timeout=COPY_WITHIN_S)
    return int(done.rpartition(" ")[2]), size, digest.hexdigest()


# --- in ---------------------------------------------------------------------------------------------------------------


async def restore(dsn: str, file: Path) -> Manifest:
    """Fill an empty database from a file, then bring it to this program's version; all of it or nothing.

    Raises BadInput (`not_a_backup`, `backup_damaged`, `newer_backup`, `other_backup`), Refused (`database_in_use` if
    anything is there already), Unreachable.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = read_manifest(archive)
            for table in manifest.tables:
                _expect_whole(archive, table)
            async with _connected(dsn) as connection:
                await _read(connection, archive, manifest)
    except OSError as error:
        raise BadInput("not_a_backup", file=str(file), reason=error.strerror or type(error).__name__) from error
    except zipfile.BadZipFile as error:
        raise BadInput("not_a_backup", file=str(file), reason=str(error)) from error
    return manifest


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """What the file says it holds. Raises BadInput if it is none of ours, or of a newer version than this program."""
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
    except (KeyError, msgspec.MsgspecError) as error:
        raise BadInput("not_a_backup", file=str(archive.filename), reason=str(error)) from error
    known = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in migrations().items()}
    if manifest.format > FORMAT or (newer := sorted(set(manifest.migrations) - set(known))):
        raise BadInput("newer_backup", migration=newer[0] if manifest.format <= FORMAT else "")
    other = [name for name, checksum in manifest.migrations.items() if known[name] != checksum]
    if other or not manifest.migrations:
        raise BadInput("other_backup", migration=other[0] if other else "")
    if bad := [part.bounds for table in manifest.tables for part in table.parts if not BOUNDS.fullmatch(part.bounds)]:
        raise BadInput("backup_damaged", bounds=bad[0])
    return manifest


def _expect_whole(archive: zipfile.ZipFile, table: Table) -> None:
    """Every byte as it was written, before the first goes in."""
    digest = hashlib.sha256()
    try:
        with archive.open(f"{table.name}.copy") as entry:
            while chunk := entry.read(CHUNK_BYTES):
                digest.update(chunk)
    except (KeyError, EOFError, zipfile.BadZipFile, OSError) as error:
        raise BadInput("backup_damaged", table=table.name, reason=str(error)) from error
    if digest.hexdigest() != table.sha256:
        raise BadInput("backup_damaged", table=table.name)


async def _read(connection: asyncpg.Connection[Any], archive: zipfile.ZipFile, manifest: Manifest) -> None:
    async with connection.transaction():
        if await connection.fetchval(SQL["is_used"]):
            raise Refused("database_in_use", reason="a backup goes into an empty database: make a new one")
        await apply(connection, {name: text for name, text in migrations().items() if name in manifest.migrations})
        for table in manifest.tables:
            await _fill(connection, archive, table)
        await apply(connection, migrations())
    await connection.execute("ANALYZE")


async def _fill(connection: asyncpg.Connection[Any], archive: zipfile.ZipFile, table: Table) -> None:
    for part in table.parts:
        make = f"CREATE TABLE {_quoted(part.name)} PARTITION OF {_quoted(table.name)} {part.bounds}"
        await connection.execute(make)
    with archive.open(f"{table.name}.copy") as entry:

        async def chunks() -> AsyncIterator[bytes]:
            while chunk := entry.read(CHUNK_BYTES):
                yield chunk

        done = await connection.copy_to_table(table.name, source=chunks(), columns=table.columns, timeout=COPY_WITHIN_S)
    if int(done.rpartition(" ")[2]) != table.rows:
        raise BadInput("backup_damaged", table=table.name, rows=table.rows)
    if table.counts and table.rows:
        last = f"SELECT setval(pg_get_serial_sequence($1, $2), max({_quoted(table.counts)})) FROM {_quoted(table.name)}"  # noqa: S608 - quoted
        await connection.fetchval(last, table.name, table.counts)


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    """One connection with every wait for others' locks and slow statements allowed. Raises Unreachable."""
    try:
        connection = await asyncpg.connect(dsn, timeout=CONNECT_WITHIN_S, server_settings=SESSION)
    except (*AWAY, asyncpg.PostgresError) as error:
        raise away(error) from error
    try:
        yield connection
    except asyncpg.PostgresError as error:
        if isinstance(error, AWAY):
            raise away(error) from error
        raise
    except (ConnectionError, asyncpg.InterfaceError) as error:  # any other OSError is the file's
        raise away(error) from error
    finally:
        with contextlib.suppress(*AWAY):
            await connection.close(timeout=CLOSE_WITHIN_S)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
