"""Who can be at the door soonest, and why: candidates ranked by predicted time, with reasons. Pure.

    time to the door = set off + crow-fly metres × detour ÷ speed + floors           (see `crew` for the figures)

A worker is eligible who is on duty, free, has the skills that the kind asks for and has not declined this call. A stale
position never excludes anybody: a phone in a pocket sends none. Such a worker is ranked later by what could have been
walked since, at most `DRIFT_MAX_M`. Whoever let an offer of this call lapse, or was lost on it, is ranked later too.

Reason codes. For: `nearest` (the best pick), `position_fresh`. To know: `position_stale`, `position_of_station`,
`home_place_unknown`, `did_not_answer`, and, for a pick with `relax_skills`, `lacks_skill:NAME`. Against: `off_duty`,
`busy`, `declined`, `lacks_skill:NAME`. Counts of the others name the first thing against each of them (`lacks_skill`
without a name), or `farther`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from dispatch.model import Access, Place, Travel, WorkerId
from dispatch.places import EARTH_RADIUS_M
from dispatch.router.crew import SPEED_M_PER_S, Crew

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet
    from datetime import datetime

Floats = npt.NDArray[np.float64]

SHOWN = 12
"""How many are told with their reasons; people compare about a dozen."""

PICKS_SHOWN = 6
"""At least so many of the best picks are among those told, even where a dozen busy workers are nearer."""

FRESH_S = 300.0
KEPT_S = 43_200.0
"""A position older than a shift of 12 h says less than the station does."""

DRIFT_MAX_M = 1500.0
"""Nobody wanders farther from where they were last seen without a call: ours."""

UNKNOWN_PLACE_S = 900.0
"""What is said of anybody's time to a door that we do not know where it is: the promise itself, 15 minutes."""

STAIRS_S_PER_FLOOR = 16.0
LIFT_WAIT_S = 40.0
LIFT_S_PER_FLOOR = 3.0
FLOORS_WITHOUT_LIFT = 6
"""A floor is climbed in about 16 s with a bag; a lift is waited for and then does a floor in 3 s: ours. Where nobody
wrote it down, a building with a seventh floor has a lift, as GB 50096 asks of dwellings."""

_FARTHER, _LACKS, _DECLINED, _BUSY, _OFF = range(5)
_COUNTED_AS = ("farther", "lacks_skill", "declined", "busy", "off_duty")


class Door(msgspec.Struct, frozen=True):
    """Where somebody is to go: the home's place, its access, and its station's place for want of its own."""

    place: Place | None
    access: Access = Access()
    station: Place | None = None


class Wish(msgspec.Struct, frozen=True):
    """What a call asks of a worker, and who has had it before.

    `barred` declined it. `penalties_s` are seconds by which workers are ranked later who let it lapse or were lost on
    it. `relax_skills`: nobody skilled is free, so take whoever can come, those with the skills still first.
    """

    skills: tuple[str, ...] = ()
    barred: frozenset[WorkerId] = frozenset()
    penalties_s: dict[WorkerId, float] = {}
    relax_skills: bool = False


class Candidate(msgspec.Struct, frozen=True):
    """One worker as a candidate: predicted seconds to the door, crow-fly metres (None if the door's place is unknown),
    and the codes of why or why not.
    """

    worker_id: WorkerId
    eta_s: int
    distance_m: int | None
    is_eligible: bool
    reasons: tuple[str, ...]


class Ranking(msgspec.Struct, frozen=True):
    """The answer. `candidates`: the nearest dozen and the best picks, by rank, eligible or not. `counts`: the others by
    reason. `picks`: the eligible, best first, at most as many as were asked for.
    """

    candidates: tuple[Candidate, ...]
    counts: dict[str, int]
    picks: tuple[Candidate, ...]


def rank(crew: Crew, door: Door, wish: Wish, now: datetime, picks_max: int = SHOWN) -> Ranking:
    """Rank everybody for one call; the same input gives the same answer (ties go by worker id)."""
    if not len(crew):
        return Ranking((), {}, ())
    sight = _Sight(crew, door, wish, now)
    picks = sight.best(sight.pick_rank(), max(picks_max, PICKS_SHOWN))
    shown = set(picks[:PICKS_SHOWN])
    nearest = sight.best(sight.nearness(), SHOWN)
    shown.update([row for row in nearest if row not in shown][: SHOWN - len(shown)])
    told = {row: sight.candidate(row, is_first=bool(picks) and row == picks[0]) for row in {*shown, *picks}}
    return Ranking(
        candidates=tuple(told[row] for row in sorted(shown, key=sight.place_in_line)),
        counts=sight.counts(shown),
        picks=tuple(told[row] for row in picks[:picks_max]),
    )


def eta_s(crew: Crew, door: Door, worker_id: WorkerId, now: datetime) -> int:
    """The predicted seconds to the door for one worker, for an assignment by hand. KeyError for an unknown worker."""
    return round(float(_Sight(crew, door, Wish(), now).eta_s[crew.row_of[worker_id]]))


def floors_s(access: Access) -> float:
    """Seconds from the building's entrance to the door; floor 1 is the ground floor, as in China."""
    storeys = abs((access.floor or 1) - 1) if (access.floor or 1) > 0 else abs(access.floor or 0)
    has_lift = access.has_lift if access.has_lift is not None else (access.floor or 1) > FLOORS_WITHOUT_LIFT
    stairs_s = STAIRS_S_PER_FLOOR * storeys
    return min(stairs_s, LIFT_WAIT_S + LIFT_S_PER_FLOOR * storeys) if has_lift else stairs_s


class _Sight:
    """Every worker as seen from one door: columns with a row each."""

    def __init__(self, crew: Crew, door: Door, wish: Wish, now: datetime) -> None:
        self._crew, self._wish = crew, wish
        self._is_placed = door.place is not None
        self._age_s = now.timestamp() - crew.column("place_at")
        self._is_at_station = self._age_s > KEPT_S
        self.distance_m = self._distances(door.place or door.station)
        drift_m = np.clip((self._age_s - FRESH_S) * SPEED_M_PER_S[Travel.WALK], 0, DRIFT_MAX_M)
        s_per_m = crew.column("s_per_m")
        travel_s = crew.column("set_off_s") + s_per_m * self.distance_m
        self.eta_s = travel_s + floors_s(door.access)
        self.rank_s = np.rint((travel_s + s_per_m * drift_m) * 10) / 10  # the last bits differ between machines
        if self._is_nowhere(door):
            self.eta_s[:] = UNKNOWN_PLACE_S
            self.rank_s[:] = 0
        for worker_id, seconds in wish.penalties_s.items():
            if worker_id in crew:
                self.rank_s[crew.row_of[worker_id]] += seconds
        self._is_lacking = self._lacking()
        self._against = self._first_against()

    @staticmethod
    def _is_nowhere(door: Door) -> bool:
        return door.place is None and door.station is None

    def _distances(self, place: Place | None) -> Floats:
        """Crow-fly metres; a flat earth is right to 0.1 % over the 50 km that a worker might travel."""
        crew = self._crew
        if place is None:
            return np.zeros(len(crew))
        lat = np.where(self._is_at_station, crew.column("station_lat"), crew.column("lat"))
        lon = np.where(self._is_at_station, crew.column("station_lon"), crew.column("lon"))
        east = lon - place.lon
        east -= 360 * np.rint(east / 360)  # the short way round
        east *= math.cos(math.radians(place.lat))
        north = lat - place.lat
        metres: Floats = np.sqrt(east * east + north * north) * math.radians(EARTH_RADIUS_M)
        return metres

    def _lacking(self) -> npt.NDArray[np.bool_]:
        lacking = np.zeros(len(self._crew), np.bool_)
        for skill in self._wish.skills:
            lacking |= ~self._crew.having(skill)
        return lacking

    def _first_against(self) -> npt.NDArray[np.uint8]:
        """For each worker the gravest thing against them, as an index of `_COUNTED_AS`; 0 is eligible."""
        against = np.zeros(len(self._crew), np.uint8)
        if not self._wish.relax_skills:
            against[self._is_lacking] = _LACKS
        declined = [self._crew.row_of[who] for who in self._wish.barred if who in self._crew]
        against[declined] = _DECLINED
        against[self._crew.column("is_busy")] = _BUSY
        against[~self._crew.column("is_on_duty")] = _OFF
        return against

    def pick_rank(self) -> Floats:
        """The rank of the eligible, infinite for the others; the skilled come first even where skills are relaxed."""
        first_s = self.rank_s + 1e6 * self._is_lacking if self._wish.relax_skills else self.rank_s
        return np.where(self._against == _FARTHER, first_s, np.inf)

    def nearness(self) -> Floats:
        """The rank of everybody, those off duty behind all others: they can be phoned, hardly sent."""
        behind: Floats = self.rank_s + 1e6 * (self._against == _OFF)
        return behind

    def best(self, ranks: Floats, wanted: int) -> list[int]:
        """The rows of the `wanted` smallest finite ranks, in order, ties by worker id."""
        if len(ranks) > wanted:
            last = np.partition(ranks, wanted - 1)[wanted - 1]
            rows = np.flatnonzero(ranks <= last)
        else:
            rows = np.arange(len(ranks))
        ids = self._crew.ids
        finite = [row for row in rows.tolist() if ranks[row] != np.inf]
        return sorted(finite, key=lambda row: (ranks[row], ids[row]))[:wanted]

    def place_in_line(self, row: int) -> tuple[bool, float, WorkerId]:
        is_off = bool(self._against[row] == _OFF)
        return is_off, float(self.rank_s[row]), self._crew.ids[row]

    def counts(self, shown: AbstractSet[int]) -> dict[str, int]:
        """Everybody who is not shown, by the first thing against them."""
        others = np.bincount(self._against, minlength=len(_COUNTED_AS))
        for row in shown:
            others[self._against[row]] -= 1
        return {name: int(count) for name, count in zip(_COUNTED_AS, others, strict=True) if count}

    def candidate(self, row: int, *, is_first: bool) -> Candidate:
        return Candidate(
            worker_id=self._crew.ids[row],
            eta_s=round(float(self.eta_s[row])),
            distance_m=int(self.distance_m[row]) if self._is_placed else None,
            is_eligible=bool(self._against[row] == _FARTHER),
            reasons=self._reasons(row, is_first=is_first),
        )

    def _reasons(self, row: int, *, is_first: bool) -> tuple[str, ...]:
        crew, worker_id = self._crew, self._crew.ids[row]
        has = crew.skills_of(worker_id)
        told = {
            "nearest": is_first,
            "on_duty": bool(crew.column("is_on_duty")[row]),
            "off_duty": not crew.column("is_on_duty")[row],
            "busy": bool(crew.column("is_busy")[row]),
            "declined": worker_id in self._wish.barred,
            "did_not_answer": worker_id in self._wish.penalties_s,
            "home_place_unknown": not self._is_placed,
        }
        lacks = [f"lacks_skill:{skill}" for skill in self._wish.skills if skill not in has]
        return (*(code for code, holds in told.items() if holds), *lacks, self._position(row))

    def _position(self, row: int) -> str:
        if self._is_at_station[row]:
            return "position_of_station"
        return "position_stale" if self._age_s[row] > FRESH_S else "position_fresh"
