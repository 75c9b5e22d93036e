"""Back-up and restore of a running centre: people go on meanwhile, and the restored one goes on from there."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from msgspec.structs import replace

from dispatch.clock import SystemClock
from simulator.servers import MosquittoServer, PostgresServer

from .conftest import Centre, press, register, running, settings_for

ROOT = Path(__file__).parents[2]
SAYS_WITHIN_S = 60


async def command(*words: str, dsn: str) -> str:
    """What the command line prints; it must succeed."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCH_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dispatch", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=ROOT,
        env=environ | {"DISPATCH_CENTRE_ID": "x", "DISPATCH_DATABASE_URL": dsn, "COLUMNS": "200"},
    )
    out, _ = await asyncio.wait_for(process.communicate(), SAYS_WITHIN_S)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def call(town: Centre, terminal_id: str, alarm_id: str) -> None:
    async with town.terminal(terminal_id) as terminal:
        await terminal.say(press(alarm_id))
        await terminal.hear("stored")


async def test_a_backup_of_a_running_centre_is_a_centre_that_runs(
    postgres: PostgresServer, dsn: str, broker: MosquittoServer, centre: str, tmp_path: Path
) -> None:
    await register(dsn)
    file = str(tmp_path / "centre.backup")
    settings = settings_for(dsn, broker, centre)
    async with running(settings, SystemClock()) as town:
        await town.ready_in_real_time()
        await call(town, "T1", "a1")
        writing = asyncio.ensure_future(command("backup", file, dsn=dsn))
        number = 0
        while not writing.done():
            number += 1
            await call(town, f"T{1 + number}", "a1")
        assert "tables as of" in await writing
        after = await town.fetch("SELECT count(*) FROM incident")
    elsewhere = await postgres.create_database("elsewhere")
    async with running(replace(settings, database_url=elsewhere), SystemClock()) as town:  # it waits for its database
        assert "tables as of" in await command("restore", file, dsn=elsewhere)
        await town.ready_in_real_time()
        [stored] = await town.fetch("SELECT count(*) FROM incident WHERE incident_class = 'care'")
        assert 1 <= stored <= after[0]
        assert await town.fetch("SELECT count(*) FROM alarm WHERE terminal_id = 'T1' AND alarm_id = 'a1'") == [1]
        halves = "SELECT count(*) FROM alarm LEFT JOIN incident USING (incident_id) WHERE incident.incident_id IS NULL"
        assert await town.fetch(halves) == [0]
        await call(town, "T1", "a1")  # a repeat of what was stored before the back-up
        await call(town, "T600", "a1")
        assert await town.fetch("SELECT count(*) FROM alarm WHERE terminal_id = 'T1' AND alarm_id = 'a1'") == [1]
        await town.until("SELECT count(*) FROM incident WHERE incident_class = 'care'", [stored + 1])
    await postgres.drop_database("elsewhere")
