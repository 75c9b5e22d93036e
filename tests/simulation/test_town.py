"""A town is made from its seed alone, and fits the register."""

from __future__ import annotations

import asyncpg

from dispatch.places import haversine_m
from simulator.loading import load
from simulator.town import Size, build


def test_the_same_seed_gives_the_same_town() -> None:
    assert build(7) == build(7)
    assert build(7).homes != build(8).homes


def test_more_homes_do_not_change_the_ones_there_were() -> None:
    small, large = build(7, Size(homes=50)), build(7, Size(homes=90))
    assert large.homes[:50] == small.homes
    assert large.workers == small.workers


def test_homes_lie_about_their_station_and_workers_are_there() -> None:
    town = build(7)
    for home in town.homes:
        assert home.place is not None
        assert home.station_id is not None
        assert haversine_m(home.place, town.station(home.station_id).place) < 5000
    assert {worker.station_id for worker in town.workers} == {station.id for station in town.stations}
    assert any("first_aid" in worker.skills for worker in town.workers)


async def test_it_is_loaded_once_and_a_second_time_changes_nothing(dsn: str) -> None:
    town = build(7, Size(homes=30, stations=3, workers=9))
    assert await load(town, dsn) > 100
    assert await load(town, dsn) == 0
    connection = await asyncpg.connect(dsn)
    try:
        assert await connection.fetchval("SELECT count(*) FROM home") == 30
        assert await connection.fetchval("SELECT count(*) FROM worker") == 9
        of_first = "SELECT (access ->> 'floor')::int FROM home WHERE home_id = $1"
        assert await connection.fetchval(of_first, town.homes[0].id) == town.homes[0].access.floor
        homeless = "SELECT count(*) FROM terminal WHERE terminal_id NOT IN (SELECT terminal_id FROM terminal_home)"
        assert await connection.fetchval(homeless) == 0
    finally:
        await connection.close()
