"""The engine's database, clock and register, and an engine that commits by itself whatever the loops hand in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from dispatch.engine import Engine
from tests.engine.conftest import clock, database, engine, policies

__all__ = ["clock", "database", "engine", "policies"]


@pytest_asyncio.fixture
async def running(engine: Engine) -> AsyncIterator[Engine]:
    task = asyncio.create_task(engine.run())
    yield engine
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
