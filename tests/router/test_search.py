"""Looking only near the door gives the very answer of ranking everybody, however the town lies and moves."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from dispatch.model import Place, StationId, Travel, Worker, WorkerId
from dispatch.router import sight
from dispatch.router.grid import METRES_PER_DEG, Grid, Spot
from dispatch.router.nearest import Ranking
from dispatch.router.sight import Sight
from dispatch.router.wish import Door, Wish
from tests.router.everybody import Told
from tests.router.town import Town

CITY = Place(24.48, 118.08)
MIDDLES = (CITY, Place(0.0, 179.99), Place(68.9, -180.0), Place(89.9, 10.0))
SHARES = st.sampled_from([0.0, 0.3, 0.9, 0.99, 1.0])


def told(ranking: Ranking) -> tuple[list[Told], list[Told], dict[str, int]]:
    def each(candidates: tuple[object, ...]) -> list[Told]:
        return [(one.worker_id, one.eta_s, one.distance_m) for one in candidates]  # type: ignore[attr-defined]

    return each(ranking.candidates), each(ranking.picks), ranking.counts


@settings(deadline=None, max_examples=250)
@given(
    seed=st.integers(0, 2**32),
    count=st.sampled_from([0, 1, 5, 13, 40, 150, 400]),
    middle=st.sampled_from(MIDDLES),
    span_deg=st.sampled_from([0.0, 0.02, 0.15, 0.6, 8.0]),
    shares=st.tuples(SHARES, SHARES, SHARES),
    few=st.sampled_from([0, 8, sight.FEW]),
    first=st.sampled_from([1, 12, sight.FIRST_LOOK]),
    picks_max=st.sampled_from([1, 2, 7, 30]),
)
def test_the_answer_is_that_of_ranking_everybody(
    seed: int,
    count: int,
    middle: Place,
    span_deg: float,
    shares: tuple[float, float, float],
    few: int,
    first: int,
    picks_max: int,
) -> None:
    town = Town(seed, count, middle, span_deg, shares)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sight, "FEW", few)
        patch.setattr(sight, "FIRST_LOOK", first)
        for _ in range(3):
            door, wish = town.call()
            expected = town.ranked_one_by_one(door, wish, picks_max)
            assert told(town.ranked(door, wish, picks_max)) == expected
            for _ in range(20):
                town.go_on()


def test_a_look_that_finds_one_too_few_is_not_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sight, "FEW", 0)
    monkeypatch.setattr(sight, "FIRST_LOOK", 2)
    town = Town(1, 0, CITY, 0.15, (0, 0, 0))
    for n in range(80):  # eleven at the door, five of them free; all others kilometres away
        where = CITY if n < 11 else Place(CITY.lat + 0.03 + 0.01 * (n % 9), CITY.lon + 0.01 * (n // 9))
        each = Worker(
            WorkerId(f"w{n:02}"), "somebody", StationId("0"), Travel.CAR, None, place=where, place_at=town.now
        )
        town.workers[each.id] = replace(each, is_on_duty=True)
        town.busy |= {each.id} if 5 <= n < 11 else set()
        town.crew.put(town.workers[each.id], CITY, is_busy=each.id in town.busy)
    for picks_max in (1, 7):
        expected = town.ranked_one_by_one(Door(CITY), Wish(), picks_max)
        assert told(town.ranked(Door(CITY), Wish(), picks_max)) == expected
        assert len(expected[0]) == 12


@pytest.mark.parametrize("busy", [0.0, 0.3, 0.97], ids=["all_free", "some_busy", "few_free"])
def test_most_are_never_looked_at(busy: float) -> None:
    town = Town(1, 4_000, CITY, 0.15, (0.1, busy, 0.7))
    line = Sight(town.crew, Door(CITY), Wish(skills=("first_aid",)), town.now).look(6, 12).line
    assert 12 <= len(line) < 1_500


def test_everybody_is_looked_at_where_nobody_is_near() -> None:
    town = Town(1, 400, CITY, 0.15, (0, 0, 1))
    door, wish = Door(Place(-24.48, -61.92)), Wish()
    assert told(town.ranked(door, wish, 3)) == town.ranked_one_by_one(door, wish, 3)


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(-0.05, 0.05), st.floats(-0.05, 0.05)), max_size=60),
       st.floats(1, 4_000), st.sampled_from(MIDDLES[:3]))  # fmt: skip
def test_a_grid_misses_nobody_within_the_radius(
    steps: list[tuple[int, float, float]], radius_m: float, middle: Place
) -> None:
    grid, spots = Grid[Spot](), list[Spot]()
    for what, north, east in steps:
        if what % 5 == 4 and spots:
            grid.remove(spots.pop(what % len(spots)))
            continue
        if what >= len(spots):
            spots.append(Spot())
        grid.put(spots[min(what, len(spots) - 1)], middle.lat + north, (middle.lon + east + 180) % 360 - 180)
    found = grid.within(middle, radius_m)
    if found is None:
        return
    assert len(set(found)) == len(found)
    assert set(found) <= set(spots)
    for spot in spots:
        east = (spot.lon - middle.lon + 180) % 360 - 180
        if max(abs(spot.lat - middle.lat), abs(east)) * METRES_PER_DEG < radius_m - 0.01:
            assert spot in found
