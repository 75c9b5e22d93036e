"""The one connection that a busy user keeps: it comes back when it broke, and nothing half done stays in it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from dispatch.clock import limit
from dispatch.errors import Unreachable
from dispatch.store.one_connection import OneConnection

WITHIN_S = 10
WHO = "SELECT pg_backend_pid()"


@pytest_asyncio.fixture
async def one(dsn: str) -> AsyncIterator[OneConnection]:
    one = OneConnection(dsn)
    yield one
    await one.close()


async def ask(one: OneConnection, statement: str) -> object:
    async with limit(WITHIN_S), one.connection() as connection:
        return await connection.fetchval(statement)


async def test_it_stays_the_same_also_after_a_statement_that_was_wrong(one: OneConnection) -> None:
    first = await ask(one, WHO)
    with pytest.raises(asyncpg.UndefinedTableError):
        await ask(one, "SELECT * FROM nowhere")
    with pytest.raises(asyncpg.DivisionByZeroError):
        async with one.transaction() as connection:
            await connection.execute("SELECT 1 / 0")
    assert await ask(one, WHO) == first
    assert await ask(one, "SHOW plan_cache_mode") == "force_generic_plan"


async def test_one_that_broke_is_another_the_next_time(one: OneConnection) -> None:
    first = await ask(one, WHO)
    with pytest.raises(Unreachable):
        await ask(one, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert await ask(one, WHO) != first


async def test_whoever_comes_second_waits(one: OneConnection) -> None:
    async with one.connection():
        second = asyncio.ensure_future(ask(one, WHO))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not second.done()
    assert await second


async def test_a_user_cancelled_in_the_middle_leaves_nothing_behind(one: OneConnection) -> None:
    first = await ask(one, WHO)
    sleeping = asyncio.ensure_future(ask(one, "SELECT pg_sleep(30)"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    sleeping.cancel()
    await asyncio.gather(sleeping, return_exceptions=True)
    assert await ask(one, WHO) != first


async def test_a_transaction_left_open_is_not_what_the_next_one_finds(one: OneConnection) -> None:
    first = await ask(one, WHO)
    async with one.connection() as connection:
        await connection.execute("BEGIN")
    assert await ask(one, WHO) != first


async def test_no_way_in_is_a_database_that_is_away(dsn: str) -> None:
    before, _, after = dsn.partition("@")
    stranger = OneConnection(f"{before.rpartition(':')[0]}:wrong@{after}")
    with pytest.raises(Unreachable):
        await ask(stranger, WHO)
    await stranger.close()
