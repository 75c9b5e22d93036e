"""The crew as seen from one door: who is eligible, who ranks where, and how far one must look to be sure. Pure.

Only workers near the door are looked at. Nobody is at the door sooner than by the fastest way to travel from the edge
of what was looked at, so as soon as the last one wanted is sooner than that, nobody unseen can rank before them and the
answer is that of ranking everybody. Where few are left to choose from, those few are looked at wherever they are.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from dispatch.model import Place, Travel
from dispatch.router.crew import DETOUR, SET_OFF_S, SPEED_M_PER_S, Crew
from dispatch.router.grid import METRES_PER_DEG, Rows
from dispatch.router.wish import Door, Wish, floors_s

if TYPE_CHECKING:
    from datetime import datetime

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

FRESH_S = 300.0

DRIFT_MAX_M = 1500.0
"""Nobody wanders farther from where they were last seen without a call: ours."""

UNKNOWN_PLACE_S = 900.0
"""What is said of anybody's time to a door that we do not know where it is: the promise itself, 15 minutes."""

BEHIND_S = 1e6
"""Added to the rank of those who come behind all others."""

FIRST_LOOK = 48
"""About so many workers are looked at first: enough that the next look is mostly the last."""

FEW = 256
"""So many are looked at one by one rather than searched for."""

ROUNDING_S = 0.1
"""Ranks are rounded to a tenth, because the last bits differ between machines; this is more than that can matter."""

_WAYS = [(SET_OFF_S[travel], DETOUR[travel] / SPEED_M_PER_S[travel]) for travel in Travel]


class Looked:
    """The workers of some rows, each with predicted and ranking seconds; what is in it has a place for each of `rows`.

    `pick_rank` is infinite for whoever is not eligible; `nearness` ranks everybody, those off duty behind.
    """

    def __init__(self, sight: Sight, rows: Rows | None = None) -> None:
        crew = sight.crew
        lat, lon, place_at, s_per_m, set_off_s = crew.facts(rows)
        self.rows: Rows = np.arange(len(crew)) if rows is None else rows
        self.distance_m = _distance_m(lat, lon, sight.place)
        self.age_s = sight.now_s - place_at
        drift_m = np.minimum(np.maximum((self.age_s - FRESH_S) * SPEED_M_PER_S[Travel.WALK], 0), DRIFT_MAX_M)
        travel_s = set_off_s + s_per_m * self.distance_m
        self.eta_s = travel_s + sight.floors_s
        self.rank_s = np.rint((travel_s + s_per_m * drift_m) * 10) / 10
        if sight.place is None:
            self.eta_s[:] = UNKNOWN_PLACE_S
            self.rank_s[:] = 0
        for row, seconds in sight.penalty_s_of.items():
            self.rank_s[self.rows == row] += seconds
        self.is_off = sight.is_off[self.rows]
        self.is_eligible = sight.is_eligible[self.rows]
        self.is_second = self.is_eligible & sight.is_lacking[self.rows] if sight.wish.relax_skills else None
        self.nearness: Floats = self.rank_s + BEHIND_S * self.is_off
        skilled_first = self.rank_s if self.is_second is None else self.rank_s + BEHIND_S * self.is_second
        self.pick_rank: Floats = np.where(self.is_eligible, skilled_first, np.inf)
        self._ids = crew.ids

    def best(self, ranks: Floats, wanted: int) -> list[int]:
        """Where the `wanted` smallest finite ranks are, in order, ties by worker id."""
        if len(ranks) > wanted:
            found = np.flatnonzero(ranks <= np.partition(ranks, wanted - 1)[wanted - 1]).tolist()
        else:
            found = list(range(len(ranks)))
        finite = [(rank, self._ids[self.rows[at]], at) for at in found if (rank := float(ranks[at])) != math.inf]
        return [at for _, _, at in sorted(finite)[:wanted]]


class Found(NamedTuple):
    """Who was looked at, and where among them the best picks and the nearest are, each in order."""

    looked: Looked
    picks: list[int]
    nearest: list[int]


class Sight:
    """Every worker's standing with one call: flags with a row each, and how many there are of which."""

    def __init__(self, crew: Crew, door: Door, wish: Wish, now: datetime) -> None:
        self.now_s = now.timestamp()
        crew.settle(self.now_s)
        self.crew, self.wish = crew, wish
        self.place = door.place or door.station
        self.floors_s = floors_s(door.access)
        self.penalty_s_of = {crew.row_of[who]: each for who, each in wish.penalties_s.items() if who in crew}
        self.is_off: Flags = ~crew.column("is_on_duty")
        is_free = crew.column("is_on_duty") > crew.column("is_busy")
        is_willing = is_free.copy()
        is_willing[[crew.row_of[who] for who in wish.barred if who in crew]] = False
        self.is_lacking = np.zeros(len(crew), np.bool_)
        for skill in wish.skills:
            self.is_lacking |= ~crew.having(skill)
        is_skilled = is_willing > self.is_lacking
        self.is_eligible: Flags = is_willing if wish.relax_skills else is_skilled
        self._is_skilled = is_skilled
        off, free, willing, self._skilled = map(_count, (self.is_off, is_free, is_willing, is_skilled))
        self._on, self._eligible = len(crew) - off, willing if wish.relax_skills else self._skilled
        self.counts = {
            "farther": self._eligible,
            "lacks_skill": willing - self._eligible,
            "declined": free - willing,
            "busy": self._on - free,
            "off_duty": off,
        }

    def look(self, picks: int, nearest: int) -> Found:
        """Look at as many as it takes to know the best picks and the nearest, of which so many are wanted."""
        if self.place is None:
            return _found(Looked(self), picks, nearest)
        always = self._few()
        radius_m = self.crew.radius_m(FIRST_LOOK)
        while (rows := self.crew.near(self.place, radius_m)) is not None:
            found = _found(Looked(self, np.union1d(rows, always) if len(always) else rows), picks, nearest)
            wanted_m = self._radius_m(found, picks, nearest)
            if wanted_m <= radius_m:
                return found
            radius_m = wanted_m if wanted_m < math.inf else 2 * radius_m + 1
        return _found(Looked(self), picks, nearest)

    def _few(self) -> Rows:
        """Those of whom there are too few to be searched for."""
        groups = ((self._skilled, self._is_skilled), (self._eligible, self.is_eligible), (self._on, ~self.is_off))
        few = [np.flatnonzero(flags) for count, flags in groups if 0 < count <= FEW]
        return np.concatenate(few) if few else np.zeros(0, np.intp)

    def _radius_m(self, found: Found, picks: int, nearest: int) -> float:
        """How far one must look so that nobody unseen ranks before what is wanted; infinite if that cannot be told."""
        looked = found.looked
        seen_eligible = _count(looked.is_eligible)
        seen_second = 0 if looked.is_second is None else _count(looked.is_second)
        seen_off = _count(looked.is_off)
        seen_on = len(looked.rows) - seen_off
        unseen_skilled = self._skilled - (seen_eligible - seen_second)
        unseen_second = self._eligible - self._skilled - seen_second
        unseen_off = len(self.crew) - self._on - seen_off
        return max(
            _reach_m(looked.pick_rank[found.picks[-1:]], picks - len(found.picks), unseen_skilled, unseen_second),
            _reach_m(looked.nearness[found.nearest[-1:]], nearest - len(found.nearest), self._on - seen_on, unseen_off),
        )


def _found(looked: Looked, picks: int, nearest: int) -> Found:
    return Found(looked, looked.best(looked.pick_rank, picks), looked.best(looked.nearness, nearest))


def _reach_m(last_rank: Floats, missing: int, unseen: int, unseen_behind: int) -> float:
    """From how many metres on nobody unseen ranks before the last one found, nor beside them."""
    if not unseen and not unseen_behind:
        return 0.0
    if missing:
        return math.inf
    last_s = float(last_rank[0]) + ROUNDING_S
    if not unseen:
        last_s -= BEHIND_S
    return max(0.0, *((last_s - set_off_s) / s_per_m for set_off_s, s_per_m in _WAYS))


def _distance_m(lat: Floats, lon: Floats, place: Place | None) -> Floats:
    """Crow-fly metres; a flat earth is right to 0.1 % over the 50 km that a worker might travel."""
    if place is None:
        return np.zeros(len(lat))
    east = lon - place.lon
    east -= 360 * np.rint(east / 360)  # the short way round
    east *= math.cos(math.radians(place.lat))
    north = lat - place.lat
    metres: Floats = np.sqrt(east * east + north * north) * METRES_PER_DEG
    return metres


def _count(flags: Flags) -> int:
    return int(np.count_nonzero(flags))
