"""Which spots lie near a place, without looking at all of them: cells of 1/256°, 434 m from south to north. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, TypeVar

from dispatch.places import EARTH_RADIUS_M

if TYPE_CHECKING:
    from dispatch.model import Place

CELLS_PER_DEG = 256
"""A power of two, so that a degree times it is exact and no spot falls between two cells."""
CELLS_ROUND = 360 * CELLS_PER_DEG
METRES_PER_DEG = math.radians(EARTH_RADIUS_M)

_NOWHERE = -1


class Spot:
    """Something in a grid; `lat` and `lon` are the degrees where it was last put."""

    __slots__ = ("lat", "lon", "slot")

    def __init__(self) -> None:
        self.lat = self.lon = 0.0
        self.slot = _NOWHERE


SpotT = TypeVar("SpotT", bound=Spot)


class Grid(Generic[SpotT]):
    """Each cell's spots; each spot knows its slot in the cell it lies in."""

    def __init__(self) -> None:
        self._cells: dict[int, list[SpotT]] = {}
        self._count = 0

    def put(self, spot: SpotT, lat: float, lon: float) -> None:
        """Place a spot, new or known; moving within a cell costs next to nothing."""
        key = _key(lat, lon)
        if spot.slot != _NOWHERE:
            if _key(spot.lat, spot.lon) == key:
                spot.lat, spot.lon = lat, lon
                return
            self.remove(spot)
        cell = self._cells.setdefault(key, [])
        spot.lat, spot.lon, spot.slot = lat, lon, len(cell)
        cell.append(spot)
        self._count += 1

    def remove(self, spot: SpotT) -> None:
        """Forget a spot that was put; the last of its cell takes its slot."""
        key = _key(spot.lat, spot.lon)
        cell = self._cells[key]
        last = cell.pop()
        if last is not spot:
            cell[spot.slot] = last
            last.slot = spot.slot
        if not cell:
            del self._cells[key]
        spot.slot = _NOWHERE
        self._count -= 1

    def radius_m(self, spots: int) -> float:
        """Metres around a place within which about so many lie, going by how full the cells are that hold any."""
        cells = spots * len(self._cells) / max(1, self._count)
        return math.sqrt(cells) / 2 * METRES_PER_DEG / CELLS_PER_DEG

    def within(self, place: Place, radius_m: float) -> list[SpotT] | None:
        """At least every spot within so many metres of a place, in no order; None if that cannot be told from all."""
        reach_deg = radius_m / METRES_PER_DEG
        narrow = math.cos(math.radians(place.lat))
        if not reach_deg < 90 * narrow:
            return None
        souths = _span(place.lat, reach_deg)
        wests = [west % CELLS_ROUND for west in _span(place.lon, reach_deg / narrow)]
        if len(souths) * len(wests) > len(self._cells):
            return self._of_all(souths, set(wests))
        cells = self._cells
        found: list[SpotT] = []
        for row in range(souths.start * CELLS_ROUND, souths.stop * CELLS_ROUND, CELLS_ROUND):
            for west in wests:
                key = row + west
                if key in cells:
                    found += cells[key]
        return found

    def _of_all(self, souths: range, wests: set[int]) -> list[SpotT]:
        """The same by going through the cells there are: quicker where most of the window is empty."""
        return [
            spot
            for key, cell in self._cells.items()
            if key // CELLS_ROUND in souths and key % CELLS_ROUND in wests
            for spot in cell
        ]


def _key(lat: float, lon: float) -> int:
    return math.floor(lat * CELLS_PER_DEG) * CELLS_ROUND + math.floor(lon * CELLS_PER_DEG) % CELLS_ROUND


def _span(middle_deg: float, reach_deg: float) -> range:
    """The cells from one side of a place to the other."""
    first = math.floor((middle_deg - reach_deg) * CELLS_PER_DEG)
    return range(first, math.floor((middle_deg + reach_deg) * CELLS_PER_DEG) + 1)
