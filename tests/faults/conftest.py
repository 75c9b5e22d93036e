"""A database server that these tests kill, stop and fill; no other test is on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from simulator.faults.ground import Database


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def database() -> AsyncIterator[Database]:
    async with Database() as database:
        yield database
