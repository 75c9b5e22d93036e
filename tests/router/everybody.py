"""The ranking as it is meant, by looking at everybody one by one: what the search for the nearest is held against."""

from __future__ import annotations

import math
from datetime import datetime

from dispatch.model import Place, Travel, Worker
from dispatch.places import EARTH_RADIUS_M
from dispatch.router.crew import DETOUR, KEPT_S, SET_OFF_S, SPEED_M_PER_S
from dispatch.router.nearest import PICKS_SHOWN, SHOWN
from dispatch.router.sight import DRIFT_MAX_M, FRESH_S
from dispatch.router.wish import Door, Wish, floors_s

Told = tuple[str, int, int]
"""Worker id, predicted seconds, metres."""


class One:
    """One worker, seen from the door."""

    def __init__(self, worker: Worker, station: Place, *, is_busy: bool, door: Door, wish: Wish, now: datetime) -> None:
        self.id = worker.id
        is_heard = worker.place is not None and worker.place_at is not None
        age_s = now.timestamp() - worker.place_at.timestamp() if is_heard and worker.place_at else math.inf
        here = worker.place if worker.place and age_s <= KEPT_S else station
        assert door.place is not None
        self.distance_m = _distance_m(here, door.place)
        s_per_m = DETOUR[worker.travel] / SPEED_M_PER_S[worker.travel]
        travel_s = SET_OFF_S[worker.travel] + s_per_m * self.distance_m
        drift_m = min(max((age_s - FRESH_S) * SPEED_M_PER_S[Travel.WALK], 0), DRIFT_MAX_M)
        self.rank_s = round((travel_s + s_per_m * drift_m) * 10) / 10 + wish.penalties_s.get(worker.id, 0.0)
        self.eta_s = travel_s + floors_s(door.access)
        self.is_off = not worker.is_on_duty
        self.is_lacking = not worker.skills.issuperset(wish.skills)
        against = {
            "off_duty": self.is_off,
            "busy": is_busy,
            "declined": worker.id in wish.barred,
            "lacks_skill": self.is_lacking and not wish.relax_skills,
        }
        self.against = next((reason for reason, holds in against.items() if holds), "farther")

    def told(self) -> Told:
        return self.id, round(self.eta_s), int(self.distance_m)


def _distance_m(one: Place, other: Place) -> float:
    east = one.lon - other.lon
    east = (east - 360 * round(east / 360)) * math.cos(math.radians(other.lat))
    north = one.lat - other.lat
    return math.sqrt(east * east + north * north) * math.radians(EARTH_RADIUS_M)


def everybody_ranked(everybody: list[One], picks_max: int) -> tuple[list[Told], list[Told], dict[str, int]]:
    """Candidates, picks and counts, as `rank` tells them."""
    eligible = [one for one in everybody if one.against == "farther"]
    # Whoever lacks a skill is eligible only where skills are relaxed.
    picks = sorted(eligible, key=lambda one: (one.is_lacking, one.rank_s, one.id))
    nearest = sorted(everybody, key=lambda one: (one.is_off, one.rank_s, one.id))
    shown = picks[:PICKS_SHOWN]
    shown += [one for one in nearest[:SHOWN] if one not in shown][: SHOWN - len(shown)]
    counts: dict[str, int] = {}
    for one in everybody:
        if one not in shown:
            counts[one.against] = counts.get(one.against, 0) + 1
    in_line = sorted(shown, key=lambda one: (one.is_off, one.rank_s, one.id))
    return [one.told() for one in in_line], [one.told() for one in picks[:picks_max]], counts
