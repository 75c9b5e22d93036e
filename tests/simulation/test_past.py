"""The demo's frail have a past: ordinary days, and one whose pulse drifts."""

from __future__ import annotations

from datetime import UTC, timedelta

from dispatch.clock import VirtualClock
from dispatch.health.baseline import by_day, trend
from dispatch.store import health, vitals
from dispatch.store.database import Database
from simulator.loading import load
from simulator.past import readings_before, remember
from simulator.town import Size, build, frail
from tests.simulation.test_terminal import START


def test_one_of_them_drifts_and_the_others_do_not() -> None:
    town = build(3, Size(homes=20))
    today, codes = START.date(), []
    for terminal_id in frail(town):
        days = by_day(
            (each for each in readings_before(town, START) if each.terminal_id == terminal_id), "heart_rate_bpm", UTC
        )
        found = trend(days, "heart_rate_bpm", today)
        assert found is not None
        codes.append(found.code)
    assert codes == [None, "heart_rate_bpm_rising", None, None]


async def test_it_is_in_the_database_with_one_elders_own_limits(dsn: str) -> None:
    town, clock = build(3, Size(homes=20)), VirtualClock(START)
    await load(town, dsn)
    await remember(dsn, town, clock)
    database = Database(dsn)
    async with database.connection() as connection:
        elder_of = dict(town.residents)
        [mine] = [elder_of[each.home_id] for each in town.terminals if each.id == frail(town)[0]]
        assert await vitals.terminals_of_elders(connection, [mine]) == {mine: [frail(town)[0]]}
        told = await vitals.of_terminals(connection, frail(town)[:1], START - timedelta(days=1), START, 1000)
        assert len(told) == 144
        assert (await health.settings_of_elders(connection, [mine]))[mine].set_by == "visitor"
    await database.close()
