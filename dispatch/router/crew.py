"""The workers and where they are, laid out so that ranking takes microseconds. Pure.

The database is the truth; this is a cache that is filled at start and kept up to date row by row.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dispatch.model import Place, Travel, Worker, WorkerId
from dispatch.router.grid import Grid, Spot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

SPEED_M_PER_S = {Travel.WALK: 1.3, Travel.BICYCLE: 4.2, Travel.EBIKE: 5.6, Travel.CAR: 6.9}
"""Walking: free walking speed of adults is 1.34 m/s (Weidmann 1993), a little less with a bag. Bicycle 15 km/h, e-bike
20 km/h (built to stop pushing at 25, GB 17761), car 25 km/h in a city's day: ours."""

DETOUR = {Travel.WALK: 1.3, Travel.BICYCLE: 1.35, Travel.EBIKE: 1.35, Travel.CAR: 1.42}
"""Way ÷ crow-fly. Car: 1.417 over all trips to hospitals in the US (Boscoe, Henry & Zdeb 2012); the others, who may cut
through a compound, ours."""

SET_OFF_S = {Travel.WALK: 45.0, Travel.BICYCLE: 75.0, Travel.EBIKE: 75.0, Travel.CAR: 150.0}
"""From the yes to being under way: coat and bag, unlocking; a car must be reached and parked as well. Ours."""

S_PER_M = {travel: DETOUR[travel] / SPEED_M_PER_S[travel] for travel in Travel}
"""Seconds for a crow-fly metre."""

KEPT_S = 43_200.0
"""A position older than a shift of 12 h says less than the station does."""

_CLOSE_TO_TURN_S = 1.0
"""Instants since 1970 are kept to a quarter of a microsecond: near the turn we look instead of trusting a sum."""

_COLUMNS: dict[str, Any] = {
    "place_at": np.float64,
    "is_at_station": np.bool_,
    "is_on_duty": np.bool_,
    "is_busy": np.bool_,
}


class Standing(Spot):
    """What ranking reads of one worker. `lat`, `lon`: the place that counts, the last heard or the station's.

    `place_at_s`: when they were last heard of, in seconds since 1970, minus infinity for never. `s_per_m`: seconds for
    a crow-fly metre. `heard`: the place last heard, only where the station's counts instead. Only `Crew` writes it.
    """

    __slots__ = (
        "heard",
        "id",
        "is_busy",
        "is_on_duty",
        "place_at_s",
        "s_per_m",
        "set_off_s",
        "skills",
        "station",
    )

    def __init__(self, worker_id: WorkerId, station: Place) -> None:
        super().__init__()
        self.id = worker_id
        self.station = station
        self.heard: Place | None = station
        self.place_at_s = -math.inf
        self.s_per_m = self.set_off_s = 0.0
        self.skills: frozenset[str] = frozenset()
        self.is_on_duty = self.is_busy = False

    @property
    def is_at_station(self) -> bool:
        """Whether no position is known that is young enough to count."""
        return self.heard is not None

    @property
    def is_free(self) -> bool:
        """On duty and not busy."""
        return self.is_on_duty and not self.is_busy


class Crew:
    """Each worker's standing, and what is asked of all of them at once: counts, and columns to search by.

    A worker has a row in the columns, found by `row_of`; rows move when a worker is removed, so keep no row number.
    Columns: `place_at` in seconds since 1970, minus infinity if no position was ever heard; `is_on_duty`; `is_busy`;
    and, right after `settle`, `is_at_station` where a position is too old to count.
    """

    def __init__(self, workers: Iterable[tuple[Worker, Place]] = ()) -> None:
        self.row_of: dict[WorkerId, int] = {}
        self.standings: list[Standing] = []
        self.on_duty = 0
        self._free_by_skills: dict[frozenset[str], int] = {}
        self._skill_sets: dict[frozenset[str], frozenset[str]] = {}
        self._columns = {name: np.zeros(16, kind) for name, kind in _COLUMNS.items()}
        self._having: dict[str, npt.NDArray[np.bool_]] = {}
        self._grid: Grid[Standing] = Grid()
        self._settled_at_s = -math.inf
        self._settled_until_s = -math.inf
        for worker, station in workers:
            self.put(worker, station)

    def __len__(self) -> int:
        return len(self.standings)

    def __contains__(self, worker_id: object) -> bool:
        return worker_id in self.row_of

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column, a row for each worker; a view that is good until the next change."""
        return self._columns[name][: len(self.standings)]

    def free(self, skills: frozenset[str] = frozenset()) -> int:
        """How many are on duty and not busy and have all these skills."""
        return sum(count for has, count in self._free_by_skills.items() if skills <= has)

    def having(self, skill: str) -> npt.NDArray[np.bool_]:
        """Which rows have a skill."""
        column = self._having.get(skill)
        return np.zeros(len(self), np.bool_) if column is None else column[: len(self)]

    def standing_of(self, worker_id: WorkerId) -> Standing:
        """KeyError for an unknown worker."""
        return self.standings[self.row_of[worker_id]]

    def skills_of(self, worker_id: WorkerId) -> frozenset[str]:
        """KeyError for an unknown worker."""
        return self.standing_of(worker_id).skills

    def settle(self, at_s: float) -> None:
        """Bring up to date whose position is too old to count, as of an instant in seconds since 1970."""
        if self._settled_at_s <= at_s < self._settled_until_s:
            return
        place_at = self.column("place_at")
        is_old = at_s - place_at > KEPT_S
        for row in np.flatnonzero(is_old != self.column("is_at_station")).tolist():
            one = self.standings[row]
            self._locate(row, one.heard or Place(one.lat, one.lon), is_old=bool(is_old[row]))
        self._settled_at_s = at_s
        self._settled_until_s = float(place_at[~is_old].min(initial=np.inf)) + KEPT_S - _CLOSE_TO_TURN_S

    def near(self, place: Place, radius_m: float) -> list[Standing] | None:
        """At least everybody within so many metres, in no order; None if that takes looking at all."""
        return self._grid.within(place, radius_m)

    def radius_m(self, workers: int) -> float:
        """Metres within which about so many workers are, as far as one can tell beforehand."""
        return self._grid.radius_m(workers)

    def put(self, worker: Worker, station: Place, *, is_busy: bool | None = None) -> None:
        """Add a worker, or bring one up to date; `is_busy` None leaves a known worker as busy as they were."""
        row = self.row_of.get(worker.id)
        if row is None:
            row = self._add(worker.id, station)
        one = self.standings[row]
        one.station = station
        one.s_per_m, one.set_off_s = S_PER_M[worker.travel], SET_OFF_S[worker.travel]
        has_place = worker.place is not None and worker.place_at is not None
        at_s = worker.place_at.timestamp() if has_place and worker.place_at else -math.inf
        self._hear(row, worker.place or station, at_s)
        self._set(row, is_on_duty=worker.is_on_duty, is_busy=is_busy, skills=worker.skills)

    def remove(self, worker_id: WorkerId) -> None:
        """Forget a worker, if known; the last row takes the place of theirs."""
        if worker_id not in self.row_of:
            return
        row = self.row_of[worker_id]
        self._set(row, is_on_duty=False)
        self._grid.remove(self.standings[row])
        del self.row_of[worker_id]
        last_row, last = len(self.standings) - 1, self.standings.pop()
        for column in (*self._columns.values(), *self._having.values()):
            column[row] = column[last_row]
        if row != last_row:
            self.standings[row] = last
            self.row_of[last.id] = row

    def move(self, worker_id: WorkerId, place: Place, at: datetime) -> None:
        """A position was heard; unknown workers and positions older than the last one are passed over."""
        row = self.row_of.get(worker_id)
        if row is None:
            return
        at_s = at.timestamp()
        if at_s >= self.standings[row].place_at_s:
            self._hear(row, place, at_s)

    def set_duty(self, worker_id: WorkerId, *, is_on_duty: bool) -> None:
        """A worker came on or went off duty; unknown workers are passed over."""
        if worker_id in self.row_of:
            self._set(self.row_of[worker_id], is_on_duty=is_on_duty)

    def set_busy(self, worker_id: WorkerId, *, is_busy: bool) -> None:
        """A worker was offered or accepted a call, or is free again; unknown workers are passed over."""
        if worker_id in self.row_of:
            self._set(self.row_of[worker_id], is_busy=is_busy)

    def _add(self, worker_id: WorkerId, station: Place) -> int:
        row = len(self.standings)
        if row == len(self._columns["place_at"]):
            for columns in (self._columns, self._having):
                for name, column in columns.items():
                    columns[name] = np.concatenate((column, np.zeros_like(column)))
        self.standings.append(Standing(worker_id, station))
        self.row_of[worker_id] = row
        for column in (*self._columns.values(), *self._having.values()):
            column[row] = 0
        return row

    def _hear(self, row: int, place: Place, at_s: float) -> None:
        """A place is known. What was too old when we last settled stays so; the rest shows when it is too old."""
        self.standings[row].place_at_s = at_s
        self._columns["place_at"][row] = at_s
        is_old = at_s == -math.inf or self._settled_at_s - at_s > KEPT_S
        if not is_old:
            self._settled_until_s = min(self._settled_until_s, at_s + KEPT_S - _CLOSE_TO_TURN_S)
        self._locate(row, place, is_old=is_old)

    def _locate(self, row: int, place: Place, *, is_old: bool) -> None:
        """Put a worker where they were heard, or at the station if that is too old."""
        one = self.standings[row]
        one.heard = place if is_old else None
        self._columns["is_at_station"][row] = is_old
        here = one.station if is_old else place
        self._grid.put(one, here.lat, here.lon)

    def _set(
        self,
        row: int,
        *,
        is_on_duty: bool | None = None,
        is_busy: bool | None = None,
        skills: frozenset[str] | None = None,
    ) -> None:
        """Write what is not None of whether a worker may be sent, in their standing, the columns and the counts."""
        one = self.standings[row]
        self._count(one, -1)
        if is_on_duty is not None:
            self._columns["is_on_duty"][row] = one.is_on_duty = is_on_duty
        if is_busy is not None:
            self._columns["is_busy"][row] = one.is_busy = is_busy
        if skills is not None and skills != one.skills:
            one.skills = self._skill_sets.setdefault(skills, skills)
            self._write_skills(row, skills)
        self._count(one, 1)

    def _count(self, one: Standing, by: int) -> None:
        self.on_duty += by * one.is_on_duty
        if one.is_free:
            count = self._free_by_skills.get(one.skills, 0) + by
            if count:
                self._free_by_skills[one.skills] = count
            else:
                del self._free_by_skills[one.skills]

    def _write_skills(self, row: int, skills: frozenset[str]) -> None:
        for skill in skills:
            if skill not in self._having:
                self._having[skill] = np.zeros_like(self._columns["is_busy"])
        for skill, column in self._having.items():
            column[row] = skill in skills
