"""Who goes: predicted time to the door, and the reasons for and against."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.model import Access, Place, StationId, Travel, Worker, WorkerId
from dispatch.router.crew import DETOUR, SET_OFF_S, SPEED_M_PER_S, Crew
from dispatch.router.nearest import SHOWN, Ranking, eta_s, rank
from dispatch.router.sight import DRIFT_MAX_M, UNKNOWN_PLACE_S
from dispatch.router.wish import Door, Wish, floors_s

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
STATION = Place(24.50, 118.10)
HOME = Place(24.48, 118.08)
DOOR = Door(HOME)
METRE = 1 / 111_195
"""Degrees of latitude in a metre."""


def worker(
    name: str,
    north_m: float | None = 0,
    *,
    age_s: float = 10,
    travel: Travel = Travel.EBIKE,
    skills: tuple[str, ...] = (),
    is_on_duty: bool = True,
) -> Worker:
    place = None if north_m is None else Place(HOME.lat + north_m * METRE, HOME.lon)
    place_at = None if north_m is None else NOW - timedelta(seconds=age_s)
    return Worker(WorkerId(name), name, StationId("st"), travel, None, frozenset(skills), is_on_duty, place, place_at)


def crew(*workers: Worker) -> Crew:
    return Crew((each, STATION) for each in workers)


def names(ranking: Ranking) -> list[str]:
    return [pick.worker_id for pick in ranking.picks]


def reasons(ranking: Ranking, name: str) -> tuple[str, ...]:
    return next(each.reasons for each in ranking.candidates if each.worker_id == name)


def test_the_nearest_comes_first_with_minutes_metres_and_reasons() -> None:
    ranking = rank(crew(worker("far", 2000), worker("near", -500), worker("mid", 900)), DOOR, Wish(), NOW)
    assert names(ranking) == ["near", "mid", "far"]
    best = ranking.picks[0]
    assert best.reasons == ("nearest", "on_duty", "position_fresh")
    assert best.distance_m == pytest.approx(500, abs=1)
    expected_s = SET_OFF_S[Travel.EBIKE] + 500 * DETOUR[Travel.EBIKE] / SPEED_M_PER_S[Travel.EBIKE]
    assert best.eta_s == pytest.approx(expected_s, abs=1)
    assert ranking.picks[1].reasons == ("on_duty", "position_fresh")


def test_how_a_worker_travels_counts_more_than_metres() -> None:
    ranking = rank(crew(worker("walks", 900, travel=Travel.WALK), worker("rides", 1500)), DOOR, Wish(), NOW)
    assert names(ranking) == ["rides", "walks"]


def test_only_off_duty_busy_unskilled_or_unwilling_are_left_out() -> None:
    everybody = crew(
        worker("off", 10, is_on_duty=False, skills=("first_aid",)),
        worker("busy", 20, skills=("first_aid",)),
        worker("unskilled", 30),
        worker("declined", 40, skills=("first_aid",)),
        worker("good", 5000, skills=("first_aid", "driver")),
    )
    everybody.set_busy(WorkerId("busy"), is_busy=True)
    wish = Wish(skills=("first_aid",), barred=frozenset({WorkerId("declined")}))
    ranking = rank(everybody, DOOR, wish, NOW)
    assert names(ranking) == ["good"]
    assert reasons(ranking, "busy") == ("on_duty", "busy", "position_fresh")
    assert "off_duty" in reasons(ranking, "off")
    assert "lacks_skill:first_aid" in reasons(ranking, "unskilled")
    assert "declined" in reasons(ranking, "declined")
    assert [each.is_eligible for each in ranking.candidates] == [False, False, False, True, False]
    assert ranking.candidates[-1].worker_id == "off", "whoever is off duty is shown behind those on duty"


def test_with_relaxed_skills_whoever_can_come_is_picked_and_the_compromise_is_told() -> None:
    everybody = crew(worker("near", 10), worker("skilled", 3000, skills=("first_aid",)))
    assert names(rank(everybody, DOOR, Wish(skills=("first_aid",)), NOW)) == ["skilled"]
    relaxed = rank(everybody, DOOR, Wish(skills=("first_aid",), relax_skills=True), NOW)
    assert names(relaxed) == ["skilled", "near"], "those with the skill still go first"
    everybody.set_busy(WorkerId("skilled"), is_busy=True)
    relaxed = rank(everybody, DOOR, Wish(skills=("first_aid",), relax_skills=True), NOW)
    assert names(relaxed) == ["near"]
    assert relaxed.picks[0].reasons == ("nearest", "on_duty", "lacks_skill:first_aid", "position_fresh")


def test_a_stale_position_ranks_later_by_what_could_be_walked_and_never_excludes() -> None:
    ranking = rank(crew(worker("stale", 500, age_s=1000), worker("fresh", 1000)), DOOR, Wish(), NOW)
    assert names(ranking) == ["fresh", "stale"], "700 s at 1.3 m/s is 910 m more"
    assert reasons(ranking, "stale") == ("on_duty", "position_stale")
    assert ranking.picks[1].distance_m == pytest.approx(500, abs=1), "the distance told is the one last known"
    far = worker("fresh", 500 + DRIFT_MAX_M + 50)
    assert names(rank(crew(worker("stale", 500, age_s=40_000), far), DOOR, Wish(), NOW)) == ["stale", "fresh"]


def test_without_a_position_the_station_stands_in() -> None:
    ranking = rank(crew(worker("silent", None), worker("old", 100, age_s=50_000)), Door(STATION), Wish(), NOW)
    assert [each.distance_m for each in ranking.candidates] == [0, 0]
    assert all("position_of_station" in each.reasons for each in ranking.picks)


def test_a_home_of_unknown_place_is_ranked_by_its_station_or_all_alike() -> None:
    everybody = crew(worker("near", 100), worker("b", 4000), worker("a", 9000))
    by_station = rank(everybody, Door(None, station=Place(HOME.lat + 8000 * METRE, HOME.lon)), Wish(), NOW)
    assert names(by_station) == ["a", "b", "near"]
    assert by_station.picks[0].distance_m is None
    assert "home_place_unknown" in by_station.picks[0].reasons
    nowhere = rank(everybody, Door(None), Wish(), NOW)
    assert names(nowhere) == ["a", "b", "near"]
    assert {each.eta_s for each in nowhere.picks} == {UNKNOWN_PLACE_S}


def test_whoever_did_not_answer_before_is_asked_later() -> None:
    wish = Wish(penalties_s={WorkerId("near"): 600.0, WorkerId("gone"): 1.0})
    ranking = rank(crew(worker("near", 10), worker("far", 2000)), DOOR, wish, NOW)
    assert names(ranking) == ["far", "near"]
    assert "did_not_answer" in reasons(ranking, "near")


def test_ties_go_by_worker_id() -> None:
    assert names(rank(crew(*(worker(name, 100) for name in "dbca")), DOOR, Wish(), NOW)) == list("abcd")


def test_a_dozen_are_told_the_rest_are_counted_and_the_pick_is_always_among_the_told() -> None:
    everybody = crew(*(worker(f"busy{n:02}", n) for n in range(40)), *(worker(f"good{n}", 9000 + n) for n in range(9)))
    for n in range(40):
        everybody.set_busy(WorkerId(f"busy{n:02}"), is_busy=True)
    ranking = rank(everybody, DOOR, Wish(), NOW, picks_max=8)
    assert len(ranking.candidates) == SHOWN
    assert names(ranking) == [f"good{n}" for n in range(8)]
    assert set(ranking.picks[:6]) <= set(ranking.candidates)
    assert ranking.counts == {"busy": 34, "farther": 3}


def test_nobody_at_all() -> None:
    assert rank(Crew(), DOOR, Wish(), NOW) == Ranking((), {}, ())
    assert rank(crew(worker("off", 1, is_on_duty=False)), DOOR, Wish(), NOW).picks == ()


@pytest.mark.parametrize(
    ("access", "seconds"),
    [
        (Access(), 0),
        (Access(floor=1), 0),
        (Access(floor=5, has_lift=False), 64),
        (Access(floor=5), 64),
        (Access(floor=11, has_lift=True), 70),
        (Access(floor=11), 70),
        (Access(floor=2, has_lift=True), 16),
        (Access(floor=-1, has_lift=False), 16),
    ],
)
def test_floors_cost_seconds(access: Access, seconds: float) -> None:
    assert floors_s(access) == seconds
    here = crew(worker("here", 0))
    assert eta_s(here, Door(HOME, access), WorkerId("here"), NOW) == SET_OFF_S[Travel.EBIKE] + seconds


def test_the_crew_is_kept_up_to_date_row_by_row() -> None:
    everybody = crew(worker("a", 10), worker("b", 20), worker("c", 30, skills=("lift",)))
    everybody.remove(WorkerId("a"))
    everybody.remove(WorkerId("a"))
    assert names(rank(everybody, DOOR, Wish(skills=("lift",)), NOW)) == ["c"]
    everybody.move(WorkerId("b"), STATION, NOW)
    everybody.move(WorkerId("b"), HOME, NOW - timedelta(seconds=1))
    everybody.move(WorkerId("nobody"), HOME, NOW)
    assert names(rank(everybody, DOOR, Wish(), NOW)) == ["c", "b"]
    everybody.set_busy(WorkerId("c"), is_busy=True)
    everybody.put(worker("c", 30), STATION)
    assert names(rank(everybody, DOOR, Wish(), NOW)) == ["b"], "new facts leave a worker as busy as they were"
    everybody.put(worker("c", 30), STATION, is_busy=False)
    assert names(rank(everybody, DOOR, Wish(skills=("lift",)), NOW)) == []
    everybody.set_duty(WorkerId("b"), is_on_duty=False)
    assert names(rank(everybody, DOOR, Wish(), NOW)) == ["c"]


Row = tuple[int, float, bool, bool]
rows = st.lists(
    st.tuples(st.integers(-20_000, 20_000), st.floats(0, 60_000), st.booleans(), st.booleans()), max_size=60
)


@settings(deadline=None)
@given(rows, st.integers(1, 20))
def test_the_answer_agrees_with_a_plain_sort_and_misses_nobody(everyone: list[Row], picks_max: int) -> None:
    workers = [
        worker(f"w{n:02}", north_m, age_s=age_s, is_on_duty=is_on_duty)
        for n, (north_m, age_s, is_on_duty, _) in enumerate(everyone)
    ]
    everybody = crew(*workers)
    for each, (_, _, _, is_busy) in zip(workers, everyone, strict=True):
        everybody.set_busy(each.id, is_busy=is_busy)
    ranking = rank(everybody, DOOR, Wish(), NOW, picks_max)
    free = {each.id for each, row in zip(workers, everyone, strict=True) if row[2] and not row[3]}
    assert len(ranking.candidates) + sum(ranking.counts.values()) == len(workers)
    assert set(names(ranking)) <= free
    assert len(ranking.picks) == min(picks_max, len(free))
    alone = {each: rank(everybody, DOOR, Wish(barred=frozenset(free - {each})), NOW).picks[0] for each in free}
    assert {pick.worker_id: pick.eta_s for pick in ranking.picks}.items() <= {
        each: pick.eta_s for each, pick in alone.items()
    }.items()
    assert ranking.candidates == rank(everybody, DOOR, Wish(), NOW, picks_max).candidates
