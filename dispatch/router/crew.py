"""The workers and where they are, in numpy columns, so that ranking all of them takes microseconds. Pure.

The database is the truth; this is a cache that is filled at start and kept up to date row by row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dispatch.model import Place, Travel, Worker, WorkerId
from dispatch.router.grid import Grid, Rows

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

KEPT_S = 43_200.0
"""A position older than a shift of 12 h says less than the station does."""

_CLOSE_TO_TURN_S = 1.0
"""Instants since 1970 are kept to a quarter of a microsecond: near the turn we look instead of trusting a sum."""

_FACTS = ("here_lat", "here_lon", "place_at", "s_per_m", "set_off_s")
"""What ranking reads of each worker it looks at: kept side by side, so that it is fetched at once."""

_COLUMNS: dict[str, Any] = {
    "lat": np.float64,
    "lon": np.float64,
    "station_lat": np.float64,
    "station_lon": np.float64,
    "is_at_station": np.bool_,
    "is_on_duty": np.bool_,
    "is_busy": np.bool_,
}


class Crew:
    """One row for each worker; `row_of` finds it. Rows move when a worker is removed, so keep no row number.

    Columns: `lat`, `lon`, `station_lat`, `station_lon` in degrees; `place_at` in seconds since 1970, minus infinity if
    no position was ever heard; `s_per_m` seconds for a crow-fly metre; `set_off_s`; `is_on_duty`; `is_busy`. And, right
    after `settle`: `is_at_station` where a position is too old to count, and `here_lat`, `here_lon`, the place that
    counts, by which `near` finds them.
    """

    def __init__(self, workers: Iterable[tuple[Worker, Place]] = ()) -> None:
        self.row_of: dict[WorkerId, int] = {}
        self.ids: list[WorkerId] = []
        self._skills: list[frozenset[str]] = []
        self._columns = {name: np.zeros(16, kind) for name, kind in _COLUMNS.items()}
        self._facts = np.zeros((16, len(_FACTS)))
        self._show_facts()
        self._having: dict[str, npt.NDArray[np.bool_]] = {}
        self._grid = Grid()
        self._settled_at_s = -np.inf
        self._settled_until_s = -np.inf
        for worker, station in workers:
            self.put(worker, station)

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, worker_id: object) -> bool:
        return worker_id in self.row_of

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column, a row for each worker; a view that is good until the next change."""
        return self._columns[name][: len(self.ids)]

    def facts(self, rows: Rows | None = None) -> list[npt.NDArray[np.float64]]:
        """`here_lat`, `here_lon`, `place_at`, `s_per_m`, `set_off_s` of some rows or of all; not to be written to."""
        facts = self._facts[: len(self.ids)] if rows is None else self._facts.take(rows, axis=0)
        return list(facts.T)

    def free(self) -> int:
        """How many are on duty and not busy."""
        return int(np.count_nonzero(self.column("is_on_duty") & ~self.column("is_busy")))

    def having(self, skill: str) -> npt.NDArray[np.bool_]:
        """Which rows have a skill."""
        column = self._having.get(skill)
        return np.zeros(len(self.ids), np.bool_) if column is None else column[: len(self.ids)]

    def skills_of(self, worker_id: WorkerId) -> frozenset[str]:
        return self._skills[self.row_of[worker_id]]

    def settle(self, at_s: float) -> None:
        """Bring up to date whose position is too old to count, as of an instant in seconds since 1970."""
        if self._settled_at_s <= at_s < self._settled_until_s:
            return
        place_at = self.column("place_at")
        is_old = at_s - place_at > KEPT_S
        for row in np.flatnonzero(is_old != self.column("is_at_station")).tolist():
            self._locate(row, is_at_station=bool(is_old[row]))
        self._settled_at_s = at_s
        self._settled_until_s = float(place_at[~is_old].min(initial=np.inf)) + KEPT_S - _CLOSE_TO_TURN_S

    def near(self, place: Place, radius_m: float) -> Rows | None:
        """The rows of at least everybody within so many metres, in no order; None if it is better to look at all."""
        return self._grid.within(place, radius_m)

    def radius_m(self, workers: int) -> float:
        """Metres within which about so many workers are, as far as one can tell beforehand."""
        return self._grid.radius_m(workers)

    def put(self, worker: Worker, station: Place, *, is_busy: bool | None = None) -> None:
        """Add a worker, or bring one up to date; `is_busy` None leaves a known worker as busy as they were."""
        row = self.row_of.get(worker.id)
        if row is None:
            row = self._add(worker.id)
        place = worker.place or station
        has_place = worker.place is not None and worker.place_at is not None
        self._write(
            row,
            lat=place.lat,
            lon=place.lon,
            place_at=worker.place_at.timestamp() if has_place and worker.place_at else -np.inf,
            station_lat=station.lat,
            station_lon=station.lon,
            s_per_m=DETOUR[worker.travel] / SPEED_M_PER_S[worker.travel],
            set_off_s=SET_OFF_S[worker.travel],
            is_on_duty=worker.is_on_duty,
        )
        self._locate_anew(row)
        if is_busy is not None:
            self._write(row, is_busy=is_busy)
        self._skills[row] = worker.skills
        self._write_skills(row, worker.skills)

    def remove(self, worker_id: WorkerId) -> None:
        """Forget a worker, if known; the last row takes the place of theirs."""
        row = self.row_of.pop(worker_id, None)
        if row is None:
            return
        self._grid.remove(row)
        last = len(self.ids) - 1
        for column in (*self._columns.values(), *self._having.values()):
            column[row] = column[last]
        last_id, last_skills = self.ids.pop(), self._skills.pop()
        if row != last:
            self.ids[row], self._skills[row] = last_id, last_skills
            self.row_of[last_id] = row

    def move(self, worker_id: WorkerId, place: Place, at: datetime) -> None:
        """A position was heard; unknown workers and positions older than the last one are passed over."""
        row = self.row_of.get(worker_id)
        if row is not None and at.timestamp() >= self._columns["place_at"][row]:
            self._write(row, lat=place.lat, lon=place.lon, place_at=at.timestamp())
            self._locate_anew(row)

    def set_duty(self, worker_id: WorkerId, *, is_on_duty: bool) -> None:
        """A worker came on or went off duty; unknown workers are passed over."""
        if worker_id in self.row_of:
            self._write(self.row_of[worker_id], is_on_duty=is_on_duty)

    def set_busy(self, worker_id: WorkerId, *, is_busy: bool) -> None:
        """A worker was offered or accepted a call, or is free again; unknown workers are passed over."""
        if worker_id in self.row_of:
            self._write(self.row_of[worker_id], is_busy=is_busy)

    def _add(self, worker_id: WorkerId) -> int:
        row = len(self.ids)
        if row == len(self._columns["lat"]):
            for columns in (self._columns, self._having):
                for name, column in columns.items():
                    columns[name] = np.concatenate((column, np.zeros_like(column)))
            self._facts = np.concatenate((self._facts, np.zeros_like(self._facts)))
            self._show_facts()
        self.ids.append(worker_id)
        self._skills.append(frozenset())
        self.row_of[worker_id] = row
        self._write(row, is_busy=False)
        return row

    def _show_facts(self) -> None:
        self._columns |= {name: self._facts[:, n] for n, name in enumerate(_FACTS)}

    def _locate_anew(self, row: int) -> None:
        """A position was written. What was too old when we last settled stays so; the rest shows when it is too old."""
        place_at_s = float(self._columns["place_at"][row])
        is_old = place_at_s == -np.inf or self._settled_at_s - place_at_s > KEPT_S
        if not is_old:
            self._settled_until_s = min(self._settled_until_s, place_at_s + KEPT_S - _CLOSE_TO_TURN_S)
        self._locate(row, is_at_station=is_old)

    def _locate(self, row: int, *, is_at_station: bool) -> None:
        columns = self._columns
        lat, lon = ("station_lat", "station_lon") if is_at_station else ("lat", "lon")
        here_lat, here_lon = float(columns[lat][row]), float(columns[lon][row])
        columns["here_lat"][row], columns["here_lon"][row] = here_lat, here_lon
        columns["is_at_station"][row] = is_at_station
        self._grid.put(row, here_lat, here_lon)

    def _write(self, row: int, **values: float | bool) -> None:
        for name, value in values.items():
            self._columns[name][row] = value

    def _write_skills(self, row: int, skills: frozenset[str]) -> None:
        for skill in skills:
            if skill not in self._having:
                self._having[skill] = np.zeros_like(self._columns["is_busy"])
        for skill, column in self._having.items():
            column[row] = skill in skills
