"""The embedded PostgreSQL: safe settings, survives being killed, and never outlives us."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import asyncpg
import pytest

from dispatch.errors import Refused, Unreachable
from simulator.servers import PostgresServer
from simulator.servers.ports import choose_port, is_free
from simulator.servers.postgres import LEFTOVERS

ROOT = Path(__file__).resolve().parents[2]


async def ask(dsn: str, statement: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close(timeout=5)


@pytest.mark.parametrize("name", ["fsync", "synchronous_commit", "full_page_writes"])
async def test_is_as_safe_as_a_real_one(postgres: PostgresServer, name: str) -> None:
    assert await ask(postgres.dsn(), f"SHOW {name}") == "on"


async def test_is_postgresql_18_in_utf8_and_utc(postgres: PostgresServer) -> None:
    assert str(await ask(postgres.dsn(), "SHOW server_version")).startswith("18.")
    assert await ask(postgres.dsn(), "SHOW server_encoding") == "UTF8"
    assert await ask(postgres.dsn(), "SHOW timezone") == "UTC"


async def test_asks_for_the_password(postgres: PostgresServer) -> None:
    wrong = postgres.dsn().replace("onekey:", "onekey:not-")
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(wrong, "SELECT 1")


async def test_the_password_is_for_our_eyes_only(postgres: PostgresServer) -> None:
    assert (postgres.folder / "password").stat().st_mode & 0o077 == 0


async def test_a_database_is_copied_with_its_rows_and_dropped_while_in_use(postgres: PostgresServer) -> None:
    original = await postgres.create_database("original")
    await ask(original, "CREATE TABLE homes AS SELECT 7 AS id")
    copy = await postgres.create_database("copy", "original")
    assert await ask(copy, "SELECT id FROM homes") == 7
    held = await asyncpg.connect(copy, timeout=10)
    await postgres.drop_database("copy")
    await postgres.drop_database("copy")
    await postgres.drop_database("original")
    assert await ask(postgres.dsn(), "SELECT count(*) FROM pg_database WHERE datname IN ('copy', 'original')") == 0
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.AdminShutdownError)):
        await held.fetchval("SELECT 1")


async def test_what_was_committed_survives_a_kill_and_a_second_start(data_dir: Path) -> None:
    server = PostgresServer(data_dir / "a folder with spaces")
    await server.start()
    try:
        port, folder = server.port, server.folder
        await ask(server.dsn(), "CREATE TABLE kept AS SELECT 1 AS id")
        server.kill9()
        assert not server.is_running
        await server.start()
        assert server.port == port
        assert await ask(server.dsn(), "SELECT id FROM kept") == 1
        await server.stop()
        async with PostgresServer(data_dir / "a folder with spaces") as second:
            assert second.folder == folder
            assert await ask(second.dsn(), "SELECT id FROM kept") == 1
    finally:
        await server.stop()


IS_BUSY = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series%' AND pid <> pg_backend_pid()"


async def test_starts_again_though_a_session_of_the_killed_server_is_still_busy(data_dir: Path) -> None:
    async with PostgresServer(data_dir) as server:
        busy = asyncio.ensure_future(ask(server.dsn(), "SELECT count(*) FROM generate_series(1, 9000000)"))
        while not await ask(server.dsn(), IS_BUSY):
            pass
        server.kill9()
        await server.start()
        assert LEFTOVERS in (server.folder / "postgres.log").read_text()
        assert await ask(server.dsn(), "SELECT 1") == 1
        assert await busy == 9_000_000  # a power cut would have ended it; a kill of the postmaster does not


async def test_fresh_starts_over(data_dir: Path) -> None:
    async with PostgresServer(data_dir) as server:
        await ask(server.dsn(), "CREATE TABLE kept AS SELECT 1 AS id")
        await server.stop()
        await server.start(fresh=True)
        assert await ask(server.dsn(), "SELECT to_regclass('kept')") is None


async def test_a_second_process_on_the_same_data_is_refused(data_dir: Path) -> None:
    async with PostgresServer(data_dir):
        with pytest.raises(Refused, match="already_running"):
            await PostgresServer(data_dir).start()


async def test_a_mark_left_by_a_dead_server_is_no_hindrance(data_dir: Path) -> None:
    server = PostgresServer(data_dir)
    await server.start()
    folder = server.folder
    await server.stop()
    # The number now belongs to somebody else: to this test, which is no PostgreSQL.
    (folder / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{folder / 'data'}\n")
    async with server:
        assert await ask(server.dsn(), "SELECT 1") == 1


async def test_a_busy_port_is_named(postgres: PostgresServer, data_dir: Path) -> None:
    with pytest.raises(Refused) as refused:
        await PostgresServer(data_dir, port=postgres.port).start()
    assert refused.value.code == "port_busy"
    assert refused.value.params["port"] == postgres.port


async def test_a_server_that_cannot_start_says_why(data_dir: Path) -> None:
    server = PostgresServer(data_dir, settings={"shared_buffers": "a lot"})
    with pytest.raises(Unreachable) as failed:
        await server.start()
    assert "shared_buffers" in str(failed.value.params["last_words"])
    assert not server.is_running


async def test_a_temporary_place_is_removed_at_stop() -> None:
    async with PostgresServer() as server:
        folder = server.folder
        assert folder.is_dir()
    assert not folder.exists()


KEEPS_ONE_RUNNING = """
import asyncio, sys
from pathlib import Path
from simulator.servers import PostgresServer
async def main():
    async with PostgresServer(Path(sys.argv[1])) as server:
        print(server.pid, server.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_it_ends_when_we_are_killed_and_its_data_can_be_used_again(data_dir: Path) -> None:
    ours = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPS_ONE_RUNNING, str(data_dir), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert ours.stdout is not None
    pid, port = map(int, (await ours.stdout.readline()).split())
    assert not is_free(port)
    ours.send_signal(signal.SIGKILL)
    await ours.wait()
    async with PostgresServer(data_dir) as server:  # waits for the end of the old one
        assert server.pid != pid
        assert await ask(server.dsn(), "SELECT 1") == 1


async def test_an_interrupt_of_the_terminal_does_not_reach_it(data_dir: Path) -> None:
    async with PostgresServer(data_dir) as server:
        assert os.getsid(server.pid) != os.getsid(0)


def test_ports_are_taken_from_where_no_client_sits() -> None:
    assert 20_000 <= choose_port(None, "any") < 32_000
