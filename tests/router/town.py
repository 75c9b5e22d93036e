"""A crew in a made-up town, and beside it the plain facts that the crew was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from msgspec.structs import replace

from dispatch.model import Access, Place, StationId, Travel, Worker, WorkerId
from dispatch.router.crew import KEPT_S, Crew
from dispatch.router.nearest import Ranking, rank
from dispatch.router.wish import Door, Wish
from tests.router.everybody import One, Told, everybody_ranked

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AGES_S = (0.0, 10.0, 301.0, 900.0, 9_000.0, KEPT_S - 1, KEPT_S, KEPT_S + 0.5, 90_000.0)
SKILLS = ("first_aid", "lift")


class Town:
    """So many workers over so many degrees; `off`, `busy`, `skilled` are shares of them."""

    def __init__(
        self, seed: int, count: int, middle: Place, span_deg: float, shares: tuple[float, float, float]
    ) -> None:
        self.chance = np.random.default_rng(seed)
        self.now = NOON
        self._middle, self._span_deg = middle, span_deg
        self._off, self._busy, self._skilled = shares
        self.stations = [self.somewhere() for _ in range(4)]
        self.workers: dict[WorkerId, Worker] = {}
        self.busy: set[WorkerId] = set()
        self.crew = Crew()
        for _ in range(count):
            self.hire()

    def likely(self, share: float) -> bool:
        return bool(self.chance.random() < share)

    def somewhere(self) -> Place:
        """Somewhere on a coarse net, so that many stand in the same spot and tie."""
        north, east = (float(each) / 80 * self._span_deg for each in self.chance.integers(-40, 41, 2))
        return Place(self._middle.lat + north, (self._middle.lon + east + 180) % 360 - 180)

    def anybody(self) -> WorkerId | None:
        """Any worker, if there is one."""
        ids = list(self.workers)
        return ids[int(self.chance.integers(len(ids)))] if ids else None

    def hire(self, worker_id: WorkerId | None = None) -> None:
        """Tell the crew of a new worker, or of new facts about one."""
        age_s = AGES_S[int(self.chance.integers(len(AGES_S)))]
        worker = Worker(
            worker_id or WorkerId(f"w{self.chance.integers(10**9):09}"),
            "somebody",
            StationId(str(self.chance.integers(len(self.stations)))),
            list(Travel)[int(self.chance.integers(len(Travel)))],
            None,
            frozenset(skill for skill in SKILLS if self.likely(self._skilled)),
            not self.likely(self._off),
            self.somewhere() if self.likely(0.9) else None,
            self.now - timedelta(seconds=age_s) if self.likely(0.9) else None,
        )
        self.workers[worker.id] = worker
        is_busy = self.likely(self._busy)
        self.busy = (self.busy | {worker.id}) if is_busy else (self.busy - {worker.id})
        self.crew.put(worker, self.stations[int(worker.station_id)], is_busy=is_busy)

    def go_on(self) -> None:
        """One thing happens to one worker, or time passes, rarely backwards."""
        self.now += timedelta(
            seconds=float(self.chance.choice([0, 1, 400, 20_000, -7_000], p=[0.6, 0.2, 0.1, 0.05, 0.05]))
        )
        who = self.anybody()
        if who is None or self.likely(0.1):
            return self.hire()
        what = int(self.chance.integers(4))
        if what == 0:
            self.crew.remove(who)
            del self.workers[who]
        elif what == 1:
            self.hire(who)
        elif what == 2:
            is_on_duty = not self.likely(self._off)
            self.workers[who] = replace(self.workers[who], is_on_duty=is_on_duty)
            self.crew.set_duty(who, is_on_duty=is_on_duty)
        else:
            self._move(who)
        return None

    def _move(self, who: WorkerId) -> None:
        worker, place, at = (
            self.workers[who],
            self.somewhere(),
            self.now - timedelta(seconds=float(self.chance.integers(99))),
        )
        self.crew.move(who, place, at)
        if worker.place is None or worker.place_at is None or at >= worker.place_at:
            self.workers[who] = replace(worker, place=place, place_at=at)

    def call(self) -> tuple[Door, Wish]:
        """A call from somewhere, with or without skills, refusals and silence."""
        some = [who for _ in range(6) if (who := self.anybody()) is not None]
        wish = Wish(
            skills=SKILLS[: int(self.chance.integers(3))],
            barred=frozenset(some[:3]) if self.likely(0.5) else frozenset(),
            penalties_s=dict.fromkeys(some[3:], 900.0) if self.likely(0.5) else {},
            relax_skills=self.likely(0.3),
        )
        return Door(self.somewhere(), Access(floor=int(self.chance.integers(1, 30)))), wish

    def ranked(self, door: Door, wish: Wish, picks_max: int) -> Ranking:
        """The answer of the service."""
        return rank(self.crew, door, wish, self.now, picks_max)

    def ranked_one_by_one(
        self, door: Door, wish: Wish, picks_max: int
    ) -> tuple[list[Told], list[Told], dict[str, int]]:
        """The answer as it ought to be."""
        everybody = [
            One(
                each,
                self.stations[int(each.station_id)],
                is_busy=each.id in self.busy,
                door=door,
                wish=wish,
                now=self.now,
            )
            for each in self.workers.values()
        ]
        return everybody_ranked(everybody, picks_max)
