"""An engine on a real database and a virtual clock, with a small register: two homes, one station, four workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib import resources
from typing import Literal

import pytest
import pytest_asyncio

from dispatch.clock import VirtualClock
from dispatch.engine import Engine
from dispatch.incident.policy import Policies, read_policies
from dispatch.store.database import Database
from dispatch.store.one_connection import OneConnection

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)

REGISTER = """
INSERT INTO station VALUES ('S1', 'Station One', 24.480, 118.100);
INSERT INTO home (home_id, address, lat, lon, station_id) VALUES
    ('H1', '1 Pine Lane', 24.481, 118.101, 'S1'), ('H2', '2 Pine Lane', 24.482, 118.102, 'S1');
INSERT INTO contact VALUES ('H1', 1, 'Daughter', 'daughter', '13900000001', true);
INSERT INTO terminal (terminal_id) VALUES ('T1'), ('T2');
INSERT INTO terminal_home VALUES ('T1', 'H1', NULL, '2026-01-01', NULL), ('T2', 'H2', NULL, '2026-01-01', NULL);
INSERT INTO worker (worker_id, name, station_id, travel, skills, is_on_duty) VALUES
    ('W1', 'One', 'S1', 'walk', '{first_aid}', true), ('W2', 'Two', 'S1', 'ebike', '{first_aid}', true),
    ('W3', 'Three', 'S1', 'car', '{first_aid}', true), ('W4', 'Four', 'S1', 'walk', '{}', false);
"""


@asynccontextmanager
async def two_at_once(dsn: str, engine: Engine, line: Literal["new_calls", "due_clocks"]) -> AsyncIterator[Engine]:
    """The engine running as the service has it: two batches of a line may be under way at the same time."""
    ways = [OneConnection(dsn), OneConnection(dsn)]
    new_calls, due_clocks = (ways if line == each else () for each in ("new_calls", "due_clocks"))
    two_ways = Engine(engine._database, engine._clock, engine.policies, new_calls=new_calls, due_clocks=due_clocks)
    running = asyncio.ensure_future(two_ways.run())
    try:
        yield two_ways
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for way in ways:
            await way.close()


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(START, seed=1)


@pytest.fixture(scope="session")
def policies() -> Policies:
    text = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
    return read_policies(text, "default_policy.toml")


@pytest_asyncio.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    database = Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER)
    yield database
    await database.close()


@pytest_asyncio.fixture
async def engine(database: Database, clock: VirtualClock, policies: Policies) -> Engine:
    engine = Engine(database, clock, policies)
    await engine.prepare()
    return engine
