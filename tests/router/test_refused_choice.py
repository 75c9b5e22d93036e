"""A choice that the database refuses, whatever the reason, must not cost the other calls their workers."""

from __future__ import annotations

import asyncio

from dispatch.clock import VirtualClock
from dispatch.engine import Engine
from dispatch.router.assigner import Assigner
from dispatch.store.database import Database
from tests.engine.conftest import clock, database, engine, policies
from tests.engine.test_engine import alarms, fetch, press

__all__ = ["clock", "database", "engine", "policies"]


async def test_workers_of_a_choice_that_failed_are_free_for_the_next(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    assigner = Assigner(database, clock, engine)
    engine.listen(assigner.on_committed)
    await alarms(engine, press())
    running = asyncio.ensure_future(engine.run())
    await fetch(database, "ALTER TABLE assignment ADD CONSTRAINT nobody_goes CHECK (false)")
    assert await assigner.step() == 0
    await fetch(database, "ALTER TABLE assignment DROP CONSTRAINT nobody_goes")
    assert await assigner.step() == 1
    assert await fetch(database, "SELECT count(*) FROM assignment WHERE state = 'offered'") == [2]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
