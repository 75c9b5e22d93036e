"""The way to PostgreSQL: migrations, links that break or swallow bytes, and transactions under the lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import asyncpg
import pytest
import pytest_asyncio

from dispatch.clock import limit
from dispatch.errors import BadSettings, SteppedDown, Unreachable
from dispatch.store import database as database_module
from dispatch.store import lease
from dispatch.store.database import Connection, Database, migrate, migrations
from simulator.servers import PostgresServer
from tests.link import Link, through

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
WITHIN_S = 10
KEEP = "INSERT INTO station VALUES ('S1', 'Station One', 24.48, 118.1)"
KEPT = "SELECT count(*) FROM station"


@pytest_asyncio.fixture
async def link(postgres: PostgresServer) -> AsyncIterator[Link]:
    assert postgres.port is not None
    async with Link(postgres.port) as link:
        yield link


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same waits as in earnest, each a tenth as long."""
    for name in ("CONNECT_WITHIN_S", "COMMAND_WITHIN_S", "CLOSE_WITHIN_S"):
        monkeypatch.setattr(database_module, name, getattr(database_module, name) / 10)


@pytest_asyncio.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def far(dsn: str, link: Link) -> AsyncIterator[Database]:
    """The same database, by way of the link."""
    far = Database(through(link, dsn))
    yield far
    await far.close()


async def ask(database: Database, statement: str, *args: object) -> object:
    async with limit(WITHIN_S), database.connection() as connection:
        return await connection.fetchval(statement, *args)


async def unreachable(database: Database) -> Unreachable:
    with pytest.raises(Unreachable) as caught:
        await ask(database, "SELECT 1")
    return caught.value


async def fill_pool(database: Database, connections: int = 4) -> None:
    """Have so many connections open at once, and idle afterwards."""
    together = asyncio.Barrier(connections)

    async def use() -> None:
        async with database.connection() as connection:
            await connection.fetchval("SELECT 1")
            await together.wait()

    await asyncio.gather(*(use() for _ in range(connections)))


# --- migrations ------------------------------------------------------------------------------------------------------


async def test_a_fresh_database_is_migrated_once(empty_dsn: str) -> None:
    assert await migrate(empty_dsn) == list(migrations())
    assert await migrate(empty_dsn) == []


async def test_of_two_at_once_one_waits_and_finds_it_done(empty_dsn: str) -> None:
    done = await asyncio.gather(migrate(empty_dsn), migrate(empty_dsn))
    assert sorted(done, key=len) == [[], list(migrations())]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ("INSERT INTO migration VALUES ('9999_of_tomorrow.sql', '')", "newer_database"),
        ("UPDATE migration SET checksum = 'of another text'", "edited_migration"),
    ],
)
async def test_a_database_of_another_version_is_refused(dsn: str, database: Database, change: str, code: str) -> None:
    await ask(database, change)
    with pytest.raises(BadSettings) as refused:
        await migrate(dsn)
    assert refused.value.code == code


async def test_a_migration_that_fails_leaves_nothing_behind(
    dsn: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations() | {"9998_good.sql": "CREATE TABLE half (n int)", "9999_bad.sql": "SELECT 1 / 0"}
    monkeypatch.setattr(database_module, "migrations", lambda: known)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(dsn)
    assert await ask(database, "SELECT to_regclass('half')") is None
    assert await ask(database, "SELECT count(*) FROM migration") == len(known) - 2


async def test_migrating_a_database_that_is_away_or_goes_away_is_unreachable(empty_dsn: str, link: Link) -> None:
    by_link = through(link, empty_dsn)
    link.cut_before_the_answer_to(b"CREATE TABLE IF NOT EXISTS migration")
    with pytest.raises(Unreachable):
        await migrate(by_link)
    await link.refuse()
    with pytest.raises(Unreachable):
        await migrate(by_link)
    assert await migrate(empty_dsn) == list(migrations())


# --- links -----------------------------------------------------------------------------------------------------------


async def test_a_database_that_is_away_is_unreachable_and_used_again_when_it_is_back(far: Database, link: Link) -> None:
    await fill_pool(far)
    await link.refuse()
    assert (await unreachable(far)).code == "database_away"
    await link.restore()
    assert await ask(far, "SELECT 1") == 1


async def test_one_that_was_away_at_the_first_use_is_used_when_it_comes(far: Database, link: Link) -> None:
    await link.refuse()
    await unreachable(far)
    await link.restore()
    assert await ask(far, "SELECT 1") == 1


@pytest.mark.usefixtures("_impatient")
async def test_a_link_that_swallows_bytes_is_unreachable_and_heals_at_once(far: Database, link: Link) -> None:
    await fill_pool(far)
    link.silence()
    await unreachable(far)
    link.unsilence()
    assert [await ask(far, "SELECT 1") for _ in range(8)] == [1] * 8


@pytest.mark.usefixtures("_impatient")
async def test_a_server_that_accepts_and_never_answers_is_unreachable(far: Database, link: Link) -> None:
    link.silence()
    await unreachable(far)
    link.unsilence()
    assert await ask(far, "SELECT 1") == 1


@pytest.mark.usefixtures("_impatient")
async def test_closing_on_a_dead_link_ends(far: Database, link: Link) -> None:
    await fill_pool(far)
    link.silence()
    async with limit(WITHIN_S):
        await far.close()
        await far.close()


@pytest.mark.usefixtures("_impatient")
async def test_closing_while_somebody_holds_a_connection_ends(database: Database) -> None:
    with pytest.raises(Unreachable):
        async with limit(WITHIN_S), database.connection() as connection:
            await database.close()
            await connection.fetchval("SELECT 1")


# --- transactions ----------------------------------------------------------------------------------------------------


async def die_by_cut(_: Connection, link: Link) -> None:
    link.cut()


async def die_by_the_server(connection: Connection, _: Link) -> None:
    await connection.fetchval("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("die", [die_by_cut, die_by_the_server])
async def test_a_connection_that_dies_in_a_transaction_leaves_nothing(
    far: Database, database: Database, link: Link, die: Callable[[Connection, Link], Awaitable[None]]
) -> None:
    with pytest.raises(Unreachable):
        async with limit(WITHIN_S), far.transaction() as connection:
            await connection.execute(KEEP)
            await die(connection, link)
            await connection.fetchval("SELECT 1")
    assert await ask(database, KEPT) == 0
    assert await ask(far, KEPT) == 0


async def test_an_error_of_the_statement_is_no_outage_and_is_rolled_back(database: Database) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with database.transaction() as connection:
            await connection.execute(KEEP)
            await connection.fetchval("SELECT 1 / 0")
    assert await ask(database, KEPT) == 0


async def test_a_commit_whose_answer_is_lost_is_unreachable_though_done(
    far: Database, database: Database, link: Link
) -> None:
    link.cut_before_the_answer_to(b"COMMIT")
    with pytest.raises(Unreachable):
        async with limit(WITHIN_S), far.transaction() as connection:
            await connection.execute(KEEP)
    assert link.lost_answers == 1
    assert await ask(database, KEPT) == 1


async def test_only_the_holder_of_the_term_writes_under_it(database: Database) -> None:
    with pytest.raises(SteppedDown):
        async with database.transaction(1):
            raise AssertionError("nobody holds a lease")
    async with database.transaction() as connection:
        assert await lease.found(connection, "one", START)
    async with database.transaction(1) as connection:
        await connection.execute(KEEP)
    async with database.transaction() as connection:
        assert await lease.take(connection, 1, "two", START)
    with pytest.raises(SteppedDown) as refused:
        async with database.transaction(1):
            raise AssertionError("two holds it")
    assert refused.value.params == {"term": 1}
    assert await ask(database, KEPT) == 1


async def test_the_next_term_waits_for_what_the_last_one_has_begun_and_a_beat_does_not(database: Database) -> None:
    async with database.transaction() as connection:
        await lease.found(connection, "one", START)

    async def take() -> bool:
        async with database.transaction() as connection:
            return await lease.take(connection, 1, "two", START)

    async with database.transaction(1) as connection:
        await connection.execute(KEEP)
        async with database.connection() as beating:
            assert await lease.beat(beating, 1)
        taking = asyncio.ensure_future(take())
        while not await ask(database, "SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not taking.done()
    assert await taking
    assert await ask(database, KEPT) == 1


async def test_a_statement_that_waits_too_long_for_a_lock_is_an_outage(dsn: str, database: Database) -> None:
    dispatching = Database(dsn, dispatching=True)
    for name, value in (("statement_timeout", "2s"), ("lock_timeout", "2s")):
        assert await ask(dispatching, f"SHOW {name}") == value
    async with database.transaction() as connection:
        await connection.execute("LOCK TABLE station")
        with pytest.raises(Unreachable) as caught:
            async with limit(WITHIN_S), dispatching.transaction() as waiting:
                await waiting.execute("SET LOCAL lock_timeout = 20")
                await waiting.execute(KEEP)
    assert caught.value.params["reason"] == "LockNotAvailableError"
    await dispatching.close()
