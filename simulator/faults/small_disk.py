"""A disk so small that it can be filled: a tablespace of the database's on a file system in memory of a few megabytes.

Nothing durable is claimed of what lies there (its log lies on the real disk, and the server is not killed meanwhile):
it is there to refuse, as a full disk does, with ENOSPC.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from simulator.servers.child import run_as
from simulator.servers.place import system_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NAME = "small_disk"
SIZE_MB = 48
MOUNT, UMOUNT = "/bin/mount", "/bin/umount"


class SmallDisk:
    """Full or not."""

    def __init__(self, folder: Path) -> None:
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        with self._ballast.open("wb", buffering=0) as ballast, suppress(OSError):
            while ballast.write(bytes(4096)):
                pass

    def free(self) -> None:
        """Give it all back."""
        self._ballast.unlink(missing_ok=True)


def why_none() -> str:
    """Why there can be no such disk here; empty if there can."""
    return "" if os.geteuid() == 0 and Path(MOUNT).exists() else "only the superuser may mount a small disk"


@asynccontextmanager
async def small_disk(dsn: str) -> AsyncIterator[SmallDisk]:
    """Mount one and make it known to the server as a tablespace, until the block ends."""
    folder = system_folder() / f"small-disk-{os.getpid()}"
    folder.mkdir(mode=0o755)
    await asyncio.to_thread(_run, MOUNT, "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "none", str(folder))
    try:
        space = folder / "space"
        space.mkdir(mode=0o700)
        owner = run_as("nobody")
        os.chown(space, owner["user"], owner["group"])
        await _execute(dsn, f"CREATE TABLESPACE {NAME} LOCATION '{space}'")
        try:
            yield SmallDisk(folder)
        finally:
            await _execute(dsn, f"DROP TABLESPACE {NAME}")
    finally:
        await asyncio.to_thread(_run, UMOUNT, str(folder))
        folder.rmdir()


def _run(*words: str) -> None:
    subprocess.run(words, check=True)  # noqa: S603 - our own words


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        await connection.execute(statement, timeout=60)
    finally:
        await connection.close(timeout=5)
