"""Which rows lie near a place, without looking at all of them: cells of 1/128°, 869 m from south to north. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dispatch.places import EARTH_RADIUS_M

if TYPE_CHECKING:
    from dispatch.model import Place

Rows = npt.NDArray[np.intp]

CELLS_PER_DEG = 128
"""A power of two, so that a degree times it is exact and no row falls between two cells."""
CELLS_ROUND = 360 * CELLS_PER_DEG
METRES_PER_DEG = math.radians(EARTH_RADIUS_M)


class _Cell:
    __slots__ = ("count", "rows")

    def __init__(self) -> None:
        self.rows = np.zeros(4, np.intp)
        self.count = 0

    def add(self, row: int) -> int:
        """Take in a row; returns the slot where it lies."""
        if self.count == len(self.rows):
            self.rows = np.concatenate((self.rows, np.zeros_like(self.rows)))
        self.rows[self.count] = row
        self.count += 1
        return self.count - 1


class Grid:
    """Each row's cell, and each cell's rows. Rows are numbered from 0 without gaps, as `Crew` numbers them."""

    def __init__(self) -> None:
        self._cells: dict[int, _Cell] = {}
        self._key_of: list[int] = []
        self._slot_of: list[int] = []

    def put(self, row: int, lat: float, lon: float) -> None:
        """Place a row, known or the next new one; moving within a cell costs nothing."""
        key = math.floor(lat * CELLS_PER_DEG) * CELLS_ROUND + math.floor(lon * CELLS_PER_DEG) % CELLS_ROUND
        if row == len(self._key_of):
            self._key_of.append(key)
            self._slot_of.append(0)
        elif self._key_of[row] == key:
            return
        else:
            self._take_out(row)
        self._key_of[row] = key
        self._slot_of[row] = self._cells.setdefault(key, _Cell()).add(row)

    def remove(self, row: int) -> None:
        """Forget a row; the last row is known by its number from now on."""
        self._take_out(row)
        key, slot = self._key_of.pop(), self._slot_of.pop()
        if row < len(self._key_of):
            self._key_of[row], self._slot_of[row] = key, slot
            self._cells[key].rows[slot] = row

    def _take_out(self, row: int) -> None:
        key, slot = self._key_of[row], self._slot_of[row]
        cell = self._cells[key]
        cell.count -= 1
        if cell.count == 0:
            del self._cells[key]
        else:
            last = int(cell.rows[cell.count])
            cell.rows[slot] = last
            self._slot_of[last] = slot

    def radius_m(self, rows: int) -> float:
        """Metres around a place within which about so many rows lie, going by how full the cells are that hold any."""
        cells = rows * len(self._cells) / max(1, len(self._key_of))
        return math.sqrt(cells) / 2 * METRES_PER_DEG / CELLS_PER_DEG

    def within(self, place: Place, radius_m: float) -> Rows | None:
        """At least every row within so many metres of a place, in no order.

        None if that takes looking at more cells than there are: the caller looks at all rows instead.
        """
        reach_deg = radius_m / METRES_PER_DEG
        narrow = math.cos(math.radians(place.lat))
        if not reach_deg < 90 * narrow:
            return None
        souths = _span(place.lat, reach_deg)
        wests = _span(place.lon, reach_deg / narrow)
        if len(souths) * len(wests) > len(self._cells) + 9:
            return None
        keys = (south * CELLS_ROUND + west % CELLS_ROUND for south in souths for west in wests)
        found = [cell.rows[: cell.count] for key in keys if (cell := self._cells.get(key)) is not None]
        return np.concatenate(found) if found else np.zeros(0, np.intp)


def _span(middle_deg: float, reach_deg: float) -> range:
    """The cells from one side of a place to the other."""
    first = math.floor((middle_deg - reach_deg) * CELLS_PER_DEG)
    return range(first, math.floor((middle_deg + reach_deg) * CELLS_PER_DEG) + 1)
