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

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from dispatch.model import WorkerId
from dispatch.router.sight import FRESH_S, Looked, Sight
from dispatch.router.wish import Door, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from dispatch.router.crew import Crew

SHOWN = 12
"""How many are told with their reasons; people compare about a dozen."""

PICKS_SHOWN = 6
"""At least so many of the best picks are among those told, even where a dozen busy workers are nearer."""


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
    sight = Sight(crew, door, wish, now)
    looked = sight.look(max(picks_max, PICKS_SHOWN), SHOWN)
    picks = looked.best(looked.pick_rank, max(picks_max, PICKS_SHOWN))
    shown = set(picks[:PICKS_SHOWN])
    nearest = looked.best(looked.nearness, SHOWN)
    shown.update([at for at in nearest if at not in shown][: SHOWN - len(shown)])
    teller = _Teller(sight, looked, is_placed=door.place is not None, first=picks[0] if picks else None)
    told = {at: teller.candidate(at) for at in {*shown, *picks}}
    return Ranking(
        candidates=tuple(told[at] for at in sorted(shown, key=looked.place_in_line)),
        counts=teller.counts(shown),
        picks=tuple(told[at] for at in picks[:picks_max]),
    )


def eta_s(crew: Crew, door: Door, worker_id: WorkerId, now: datetime) -> int:
    """The predicted seconds to the door for one worker, for an assignment by hand. KeyError for an unknown worker."""
    row = np.array([crew.row_of[worker_id]])
    return round(float(Looked(Sight(crew, door, Wish(), now), row).eta_s[0]))


class _Teller:
    """Says of each worker looked at how soon, and why or why not; `first` is where the best pick is."""

    def __init__(self, sight: Sight, looked: Looked, *, is_placed: bool, first: int | None) -> None:
        self._crew, self._wish, self._looked, self._sight = sight.crew, sight.wish, looked, sight
        self._is_placed, self._first = is_placed, first
        self._is_on_duty, self._is_busy = sight.crew.column("is_on_duty"), sight.crew.column("is_busy")
        self._is_at_station = sight.crew.column("is_at_station")

    def candidate(self, at: int) -> Candidate:
        looked, row = self._looked, int(self._looked.rows[at])
        return Candidate(
            worker_id=self._crew.ids[row],
            eta_s=round(float(looked.eta_s[at])),
            distance_m=int(looked.distance_m[at]) if self._is_placed else None,
            is_eligible=bool(looked.is_eligible[at]),
            reasons=self._reasons(at, row),
        )

    def _reasons(self, at: int, row: int) -> tuple[str, ...]:
        worker_id, wish = self._crew.ids[row], self._wish
        has = self._crew.skills_of(worker_id)
        reasons = ["nearest"] if at == self._first else []
        reasons.append("on_duty" if self._is_on_duty[row] else "off_duty")
        if self._is_busy[row]:
            reasons.append("busy")
        if worker_id in wish.barred:
            reasons.append("declined")
        if worker_id in wish.penalties_s:
            reasons.append("did_not_answer")
        if not self._is_placed:
            reasons.append("home_place_unknown")
        reasons += [f"lacks_skill:{skill}" for skill in wish.skills if skill not in has]
        return (*reasons, self._position(at, row))

    def _position(self, at: int, row: int) -> str:
        if self._is_at_station[row]:
            return "position_of_station"
        return "position_stale" if self._looked.age_s[at] > FRESH_S else "position_fresh"

    def counts(self, shown: Iterable[int]) -> dict[str, int]:
        """Everybody who is not shown, by the first thing against them."""
        others = dict(self._sight.counts)
        for at in shown:
            others[self._first_against(at)] -= 1
        return {name: count for name, count in others.items() if count}

    def _first_against(self, at: int) -> str:
        row = int(self._looked.rows[at])
        if not self._is_on_duty[row]:
            return "off_duty"
        if self._is_busy[row]:
            return "busy"
        if self._crew.ids[row] in self._wish.barred:
            return "declined"
        return "farther" if self._looked.is_eligible[at] else "lacks_skill"
