"""The crew as seen from one door: who is eligible, who ranks where, and how far one must look to be sure. Pure.

Only workers near the door are looked at. Nobody is at the door sooner than by the fastest way to travel from the edge
of what was looked at, so as soon as the last one wanted is sooner than that, nobody unseen can rank before them and the
answer is that of ranking everybody. Where few are left to choose from, those few are looked at wherever they are.

Those few dozen are looked at one by one in plain Python: a call of numpy costs as much as three of them.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dispatch.model import Travel, WorkerId
from dispatch.router.crew import S_PER_M, SET_OFF_S, SPEED_M_PER_S, Crew, Standing
from dispatch.router.grid import METRES_PER_DEG
from dispatch.router.wish import Door, Wish, floors_s

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

FRESH_S = 300.0

DRIFT_MAX_M = 1500.0
"""Nobody wanders farther from where they were last seen without a call: ours."""

UNKNOWN_PLACE_S = 900.0
"""What is said of anybody's time to a door that we do not know where it is: the promise itself, 15 minutes."""

BEHIND_S = 1e9
"""Added to the rank of those off duty, who come behind all others: more than any way on earth takes."""

FIRST_LOOK = 32
"""About so many workers are looked at first: enough that the next look is mostly the last."""

FEW = 256
"""So many are looked at one by one rather than searched for."""

ROUNDING_S = 0.1
"""Ranks are rounded to a tenth, because the last bits differ between machines; this is more than that can matter."""

WIDER_MAX = 4.0
"""At most so many times as far is looked next where too few were found."""

_WAYS = [(SET_OFF_S[travel], S_PER_M[travel]) for travel in Travel]

Seen = tuple[float, WorkerId, Standing, float]
"""A worker from the door: their rank in seconds, by which they stand in line, id, standing, and crow-fly metres. A
plain tuple because a hundred of them are made and sorted for every call."""


class Found(NamedTuple):
    """Everybody looked at, in line. Where in it the eligible are with all skills, and, if skills are relaxed, without:
    all of them in so far as there are not enough picks among those with all skills.
    """

    line: list[Seen]
    first: list[int]
    second: list[int]


class Sight:
    """How the crew stands with one call, and how many there are of which."""

    def __init__(self, crew: Crew, door: Door, wish: Wish, now: datetime) -> None:
        self.now_s = now.timestamp()
        crew.settle(self.now_s)
        self.crew, self.wish = crew, wish
        self.is_placed, self.place = door.place is not None, door.place or door.station
        self.floors_s = floors_s(door.access)
        self.skills = frozenset(wish.skills)
        barred = [crew.standing_of(who) for who in wish.barred if who in crew]
        barred = [one for one in barred if one.is_free]
        free = crew.free()
        willing = free - len(barred)
        self._skilled = crew.free(self.skills) - sum(self.skills <= one.skills for one in barred)
        self._eligible = willing if wish.relax_skills else self._skilled
        self.counts = {
            "farther": self._eligible,
            "lacks_skill": willing - self._eligible,
            "declined": free - willing,
            "busy": crew.on_duty - free,
            "off_duty": len(crew) - crew.on_duty,
        }

    def eta_s(self, one: Standing, distance_m: float) -> int:
        """Predicted seconds to the door for a worker so far away."""
        if self.place is None:
            return round(UNKNOWN_PLACE_S)
        return round(one.set_off_s + one.s_per_m * distance_m + self.floors_s)

    def look(self, picks: int, nearest: int) -> Found:
        """Look at as many as it takes to know the best picks and the nearest, of which so many are wanted."""
        crew = self.crew
        if self.place is None or len(crew) <= FEW:
            return self._found(crew.standings, picks)
        few = self._few()
        radius_m = crew.radius_m(FIRST_LOOK)
        while (near := crew.near(self.place, radius_m)) is not None:
            found = self._found(dict.fromkeys((*few, *near)), picks) if few else self._found(near, picks, radius_m)
            wanted_m = _reach_m(max(self._last_pick_s(found, picks), self._last_nearest_s(found.line, nearest)))
            if wanted_m <= radius_m:
                return found
            wider = min(WIDER_MAX, 1.1 * math.sqrt(max(2.0, FIRST_LOOK / (1 + len(near)))))
            radius_m = wanted_m if wanted_m < math.inf else wider * radius_m + 1
        return self._found(crew.standings, picks)

    def metres(self, one: Standing) -> float:
        """Crow-fly metres, 0 for no place; a flat earth is right to 0.1 % over the 50 km that a worker might travel."""
        return self._line([one])[0][3]

    def _few(self) -> list[Standing]:
        """Those of whom there are too few to be searched for."""
        crew, wish = self.crew, self.wish
        rows: list[int] = []
        if 0 < crew.on_duty <= FEW:
            rows += np.flatnonzero(crew.column("is_on_duty")).tolist()
        if 0 < self._skilled <= FEW or 0 < self._eligible <= FEW:
            flags = crew.column("is_on_duty") > crew.column("is_busy")
            if self._eligible > FEW or not wish.relax_skills:
                for skill in self.skills:
                    flags &= crew.having(skill)
            rows += np.flatnonzero(flags).tolist()
        return [crew.standings[row] for row in rows]

    def _found(self, standings: Iterable[Standing], picks: int, radius_m: float = math.inf) -> Found:
        line = self._line(standings, radius_m)
        line.sort()
        first: list[int] = []
        second: list[int] = []
        skills, barred, is_relaxed = self.skills, self.wish.barred, self.wish.relax_skills
        for at, (_, worker_id, one, _) in enumerate(line):
            if one.is_on_duty and not one.is_busy and worker_id not in barred:
                if skills <= one.skills:
                    first.append(at)
                    if len(first) == picks:
                        break
                elif is_relaxed:
                    second.append(at)
        return Found(line, first, second)

    def _line(self, standings: Iterable[Standing], radius_m: float = math.inf) -> list[Seen]:
        """Those of some workers who are so near, as seen from the door, in no order.

        The innermost loop of ranking: nothing is called in it that can be done without.
        """
        place, now_s, penalties_s = self.place, self.now_s, self.wish.penalties_s
        if place is None:
            behind_s = (0.0, BEHIND_S)
            return [
                (penalties_s.get(one.id, 0.0) + behind_s[not one.is_on_duty], one.id, one, 0.0) for one in standings
            ]
        lat, lon = place.lat, place.lon
        narrow, metres_per_deg, sqrt = math.cos(math.radians(lat)), METRES_PER_DEG, math.sqrt
        square_max = (radius_m / METRES_PER_DEG) ** 2
        line: list[Seen] = []
        for one in standings:
            east = one.lon - lon
            if not -180 <= east <= 180:
                east -= 360 * round(east / 360)  # the short way round
            east *= narrow
            north = one.lat - lat
            square = east * east + north * north
            if square > square_max:
                continue
            metres = sqrt(square) * metres_per_deg
            s_per_m = one.s_per_m
            rank_s = one.set_off_s + s_per_m * metres
            silent_s = now_s - one.place_at_s
            if silent_s > FRESH_S:
                rank_s += s_per_m * min((silent_s - FRESH_S) * SPEED_M_PER_S[Travel.WALK], DRIFT_MAX_M)
            rank_s = round(rank_s * 10) / 10
            if penalties_s:
                rank_s += penalties_s.get(one.id, 0.0)
            if not one.is_on_duty:
                rank_s += BEHIND_S
            line.append((rank_s, one.id, one, metres))
        return line

    def _last_pick_s(self, found: Found, picks: int) -> float:
        """The rank that nobody unseen may come before, for the picks to be sure: infinite if there are too few of them,
        minus infinity if nobody unseen could be one.
        """
        first, second = len(found.first), len(found.second)
        if first == self._skilled and (first >= picks or second == self._eligible - self._skilled):
            return -math.inf
        if first >= picks:
            return found.line[found.first[-1]][0]
        if first < self._skilled or first + second < picks:
            return math.inf
        return found.line[found.second[picks - first - 1]][0]

    def _last_nearest_s(self, line: list[Seen], nearest: int) -> float:
        """The same for the nearest."""
        last_s = line[nearest - 1][0] if len(line) >= nearest else math.inf
        unseen = self.crew.on_duty - bisect_left(line, (BEHIND_S,))
        if unseen:
            return last_s if last_s < BEHIND_S else math.inf
        if last_s < BEHIND_S or len(line) == len(self.crew):
            return -math.inf
        return last_s - BEHIND_S


def _reach_m(last_s: float) -> float:
    """From how many metres on nobody unseen ranks before one of such a rank, nor beside them."""
    last_s += ROUNDING_S
    return max(0.0, *[(last_s - set_off_s) / s_per_m for set_off_s, s_per_m in _WAYS])
