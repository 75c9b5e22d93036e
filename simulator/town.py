"""A town from a seed: stations, homes, elders, contacts, terminals, workers. The same seed gives the same town.

It lies where Xiamen lies, so that distances and travel times are a real city's; its streets and people are invented.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from dispatch.clock import VirtualClock
from dispatch.model import (
    Access,
    Contact,
    Elder,
    ElderId,
    Home,
    HomeId,
    Place,
    Station,
    StationId,
    Terminal,
    TerminalId,
    Travel,
    Worker,
    WorkerId,
)
from simulator import names

if TYPE_CHECKING:
    from random import Random

MIDDLE = Place(24.4880, 118.1280)
METRES_PER_DEGREE = 111_195.0
HOME_SPREAD_M = 700.0
"""How far homes lie from their station, as the deviation of a bell curve; 15 minutes reach about 3 km."""

TRAVELS = {Travel.EBIKE: 60, Travel.BICYCLE: 12, Travel.WALK: 16, Travel.CAR: 12}
FIRST_AID_SHARE = 0.8
FRAIL = 4


@dataclass(frozen=True)
class Size:
    """How large a town is. `radius_m` is how far its outermost stations lie from the middle."""

    homes: int = 300
    stations: int = 12
    workers: int = 60
    radius_m: float = 4500.0


@dataclass(frozen=True)
class Town:
    """Everything in the register, in the order of ids; `residents` are pairs of home and elder."""

    seed: int
    stations: tuple[Station, ...]
    homes: tuple[Home, ...]
    elders: tuple[Elder, ...]
    residents: tuple[tuple[HomeId, ElderId], ...]
    contacts: tuple[Contact, ...]
    terminals: tuple[Terminal, ...]
    workers: tuple[Worker, ...]
    _station_of: dict[StationId, Station] = field(default_factory=dict, compare=False, repr=False)

    def station(self, station_id: StationId) -> Station:
        """A station by its id; KeyError if there is none."""
        if not self._station_of:
            self._station_of.update({each.id: each for each in self.stations})
        return self._station_of[station_id]


def build(seed: int, size: Size | None = None) -> Town:
    """The town of this seed and size."""
    return _Builder(seed, size or Size()).town()


def frail(town: Town, connected: int | None = None) -> list[TerminalId]:
    """The few whose readings may go wrong: those who live alone with one terminal, first in the register.

    `connected`: only among so many terminals, from the first on.
    """
    homes = [terminal.home_id for terminal in town.terminals]
    alone = Counter(home_id for home_id, _ in town.residents)
    return [
        terminal.id
        for terminal in town.terminals[:connected]
        if alone[terminal.home_id] == 1 and homes.count(terminal.home_id) == 1
    ][:FRAIL]


def chances(seed: int, name: str) -> Random:
    """A generator of its own for one purpose; the same seed and name always draw the same."""
    return VirtualClock(datetime(2026, 1, 1, tzinfo=UTC), seed).chances(name)


def near(place: Place, spread_m: float, draw: Random) -> Place:
    """A place around another one, `spread_m` being the deviation each way; six digits are 10 cm."""
    north_m, east_m = draw.gauss(0, spread_m), draw.gauss(0, spread_m)
    lat = place.lat + north_m / METRES_PER_DEGREE
    lon = place.lon + east_m / (METRES_PER_DEGREE * math.cos(math.radians(place.lat)))
    return Place(round(lat, 6), round(lon, 6))


class _Builder:
    """Draws one town; each part has a generator of its own, so that more homes do not change the workers."""

    def __init__(self, seed: int, size: Size) -> None:
        self._seed, self._size = seed, size
        self._stations = tuple(self._station(n) for n in range(size.stations))

    def town(self) -> Town:
        homes = tuple(self._home(n) for n in range(self._size.homes))
        elders = [self._elder(n, chances(self._seed, f"elder {n}")) for n in range(len(homes))]
        residents = [(home.id, elder.id) for home, elder in zip(homes, elders, strict=True)]
        draw = chances(self._seed, "couples")
        for home in homes:
            if draw.random() < 0.15:
                elders.append(self._elder(len(elders), chances(self._seed, f"elder {len(elders)}")))
                residents.append((home.id, elders[-1].id))
        return Town(
            seed=self._seed,
            stations=self._stations,
            homes=homes,
            elders=tuple(elders),
            residents=tuple(residents),
            contacts=tuple(contact for home in homes for contact in self._contacts(home)),
            terminals=tuple(self._terminals(homes)),
            workers=tuple(self._worker(n) for n in range(self._size.workers)),
        )

    def _station(self, number: int) -> Station:
        """Stations lie on a sunflower's spiral: evenly over the disc, at no matter what number."""
        share = math.sqrt((number + 0.5) / self._size.stations)
        angle = number * math.pi * (3 - math.sqrt(5))
        north_m = self._size.radius_m * share * math.cos(angle)
        east_m = self._size.radius_m * share * math.sin(angle)
        per_degree_east = METRES_PER_DEGREE * math.cos(math.radians(MIDDLE.lat))
        place = Place(
            round(MIDDLE.lat + north_m / METRES_PER_DEGREE, 6), round(MIDDLE.lon + east_m / per_degree_east, 6)
        )
        quarter = names.STREETS[number % len(names.STREETS)]
        return Station(
            id=StationId(f"st-{number + 1:02}"),
            name=f"{quarter}照护站"
            if number < len(names.STREETS)
            else f"{quarter}第{number // len(names.STREETS) + 1}站",
            place=place,
            phone=f"0592-000{number + 1:04}",
            organisation=names.ORGANISATIONS[number % len(names.ORGANISATIONS)],
            district=names.DISTRICTS[number % len(names.DISTRICTS)],
        )

    def _home(self, number: int) -> Home:
        draw = chances(self._seed, f"home {number}")
        station = self._stations[number % len(self._stations)]
        storeys = draw.choice((6, 6, 7, 11, 18, 30))
        floor = draw.randint(1, storeys)
        door = f"{floor}{draw.randint(1, 4):02}"
        street = draw.choice(names.STREETS)
        return Home(
            id=HomeId(f"h-{number + 1:05}"),
            address=f"{street}{draw.randint(1, 120)}号{draw.randint(1, 9)}号楼{door}",
            place=near(station.place, HOME_SPREAD_M, draw),
            access=Access(
                floor=floor,
                has_lift=storeys > 7 if draw.random() < 0.9 else None,
                door_code=f"{draw.randint(0, 9999):04}#" if draw.random() < 0.6 else None,
                key_safe=f"{draw.randint(0, 9999):04}" if draw.random() < 0.3 else None,
            ),
            station_id=station.id,
        )

    @staticmethod
    def _elder(number: int, draw: Random) -> Elder:
        return Elder(
            id=ElderId(f"e-{number + 1:05}"),
            name=draw.choice(names.SURNAMES) + draw.choice(names.ELDER_GIVEN),
            birth_year=draw.randint(1932, 1962),
            phone=f"1990000{number % 10_000:04}" if draw.random() < 0.7 else None,
            risks=tuple(sorted(draw.sample(names.RISKS, draw.choice((0, 1, 1, 2, 3))))),
        )

    def _contacts(self, home: Home) -> list[Contact]:
        draw = chances(self._seed, f"contacts {home.id}")
        return [
            Contact(
                home_id=home.id,
                rank=rank,
                name=draw.choice(names.SURNAMES) + draw.choice(names.WORKER_GIVEN),
                relation=draw.choices(list(names.RELATIONS), list(names.RELATIONS.values()))[0],
                phone=f"1980000{draw.randint(0, 9999):04}",
                has_key=draw.random() < 0.4,
            )
            for rank in range(1, draw.choice((0, 1, 2, 2, 3)) + 1)
        ]

    def _terminals(self, homes: tuple[Home, ...]) -> list[Terminal]:
        """One in every home, and a second one (at the bedside) in every eighth."""
        draw = chances(self._seed, "terminals")
        places = [home for home in homes for _ in range(2 if draw.random() < 1 / 8 else 1)]
        return [
            Terminal(id=TerminalId(f"t-{number:05}"), home_id=home.id, phone=f"1970000{number % 10_000:04}")
            for number, home in enumerate(places, 1)
        ]

    def _worker(self, number: int) -> Worker:
        draw = chances(self._seed, f"worker {number}")
        station = self._stations[number % len(self._stations)]
        skills = {"first_aid"} if draw.random() < FIRST_AID_SHARE else set()
        skills |= {skill for skill in ("nursing", "lifting", "minnan") if draw.random() < 0.3}
        return Worker(
            id=WorkerId(f"w-{number + 1:03}"),
            name=draw.choice(names.SURNAMES) + draw.choice(names.WORKER_GIVEN),
            station_id=station.id,
            travel=draw.choices(list(TRAVELS), list(TRAVELS.values()))[0],
            phone=f"1960000{number % 10_000:04}",
            skills=frozenset(skills),
            is_on_duty=False,
            place=near(station.place, HOME_SPREAD_M, draw),
        )
