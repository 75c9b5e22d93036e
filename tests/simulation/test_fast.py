"""A town on virtual time: the real engine, crashing often, on a real database; nothing lost, the same seed again."""

from __future__ import annotations

from simulator.fast import FastTown, Faults, Played, Script
from simulator.fast_run import is_bad, policies_of
from simulator.happenings import Weather
from simulator.loading import load
from simulator.people import BRISK
from simulator.servers import PostgresServer
from simulator.town import Size, build

STORM = Weather(presses_per_min=8, tests_per_min=0.5, readings_per_min=4, nonsense_per_min=0.5, critical=0.05)
SCRIPT = Script(seed=11, hours=0.08, wind_down_s=120, weather=STORM, habits=BRISK, faults=Faults(crashes_per_hour=90))


async def played(postgres: PostgresServer, template: str, name: str) -> Played:
    town = build(11, Size(homes=60, stations=4, workers=20))
    dsn = await postgres.create_database(name, template)
    try:
        await load(town, dsn)
        return await FastTown(town, SCRIPT, policies_of(None), dsn).play()
    finally:
        await postgres.drop_database(name)


async def test_nothing_is_lost_or_broken_over_crashes_and_the_same_seed_plays_the_same(
    postgres: PostgresServer, template: str
) -> None:
    first = await played(postgres, template, "fast_1")
    assert first.broken == ()
    assert first.lines == ()
    assert not is_bad(first)
    assert first.crashes >= 3
    assert first.tally.pressed >= 30
    assert first.tally.arrived >= 20
    again = await played(postgres, template, "fast_2")
    assert again.digest == first.digest
    assert again.tally == first.tally
