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

from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from dispatch.model import WorkerId
from dispatch.router.sight import FRESH_S, Looked, Sight
from dispatch.router.wish import Door, Wish

if TYPE_CHECKING:
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
    looked, picks, nearest = sight.look(max(picks_max, PICKS_SHOWN), SHOWN)
    shown = dict.fromkeys(picks[:PICKS_SHOWN])
    for at in nearest:
        if len(shown) < SHOWN:
            shown[at] = None
    told = _tell(sight, looked, list(dict.fromkeys((*picks, *shown))), is_placed=door.place is not None)
    in_line = sorted((told[at] for at in shown), key=_place_in_line)
    counts = dict(sight.counts)
    for each in in_line:
        counts[each.counted_as] -= 1
    return Ranking(
        candidates=tuple(each.candidate for each in in_line),
        counts={name: count for name, count in counts.items() if count},
        picks=tuple(told[at].candidate for at in picks[:picks_max]),
    )


def eta_s(crew: Crew, door: Door, worker_id: WorkerId, now: datetime) -> int:
    """The predicted seconds to the door for one worker, for an assignment by hand. KeyError for an unknown worker."""
    row = np.array([crew.row_of[worker_id]])
    return round(float(Looked(Sight(crew, door, Wish(), now), row).eta_s[0]))


class _Told(NamedTuple):
    """A worker's place in line, what counts them if they are not shown, and what is told."""

    is_off: bool
    rank_s: float
    worker_id: WorkerId
    counted_as: str
    candidate: Candidate


def _place_in_line(told: _Told) -> tuple[bool, float, WorkerId]:
    return told[:3]


def _tell(sight: Sight, looked: Looked, places: list[int], *, is_placed: bool) -> dict[int, _Told]:
    """Says of the workers at some places among those looked at how soon, and why or why not; the best pick is first."""
    crew, wish = sight.crew, sight.wish
    at = np.array(places, np.intp)
    rows = looked.rows[at]
    columns = (
        rows,
        np.rint(looked.eta_s[at]).astype(np.int64),
        looked.distance_m[at].astype(np.int64),
        looked.rank_s[at],
        looked.is_off[at],
        looked.is_eligible[at],
        crew.column("is_busy")[rows],
        crew.column("is_at_station")[rows],
        looked.age_s[at] > FRESH_S,
        sight.is_lacking[rows],
    )
    told = {}
    first = ["nearest"] if looked.is_eligible[at[0]] else []
    for place, facts in zip(places, zip(*(each.tolist() for each in columns), strict=True), strict=True):
        row, eta, distance_m, rank_s, is_off, is_eligible, is_busy, is_at_station, is_stale, is_lacking = facts
        worker_id = crew.ids[row]
        against, codes = "farther", ["on_duty"]
        if not is_eligible or worker_id in wish.penalties_s:
            against, codes = _codes(worker_id, wish, is_off=is_off, is_busy=is_busy, is_eligible=is_eligible)
        if not is_placed:
            codes.append("home_place_unknown")
        if is_lacking:
            has = crew.skills_of(worker_id)
            codes += [f"lacks_skill:{skill}" for skill in wish.skills if skill not in has]
        codes.append("position_of_station" if is_at_station else "position_stale" if is_stale else "position_fresh")
        candidate = Candidate(worker_id, eta, distance_m if is_placed else None, is_eligible, (*first, *codes))
        told[place] = _Told(is_off, rank_s, worker_id, against, candidate)
        first = []
    return told


def _codes(worker_id: WorkerId, wish: Wish, *, is_off: bool, is_busy: bool, is_eligible: bool) -> tuple[str, list[str]]:
    """The first thing against a worker, and the codes of what there is to say of them and this call."""
    against = "farther" if is_eligible else "lacks_skill"
    codes = ["off_duty" if is_off else "on_duty"]
    if worker_id in wish.barred:
        against = "declined"
        codes.append(against)
    if is_busy:
        against = "busy"
        codes.insert(1, against)
    if worker_id in wish.penalties_s:
        codes.append("did_not_answer")
    return "off_duty" if is_off else against, codes
