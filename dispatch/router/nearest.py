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

from dispatch.model import WorkerId
from dispatch.router.sight import FRESH_S, Seen, Sight
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
    line, first, second = sight.look(max(picks_max, PICKS_SHOWN), SHOWN)
    picks = first + second
    counts = sight.counts
    told: dict[int, Candidate] = {}
    best = picks[0] if picks else None
    for at in _shown(picks, len(line)):
        against, told[at] = _tell(sight, line[at], is_best=at == best)
        counts[against] -= 1
    return Ranking(
        candidates=tuple(told.values()),
        counts={name: count for name, count in counts.items() if count},
        picks=tuple(told[at] if at in told else _tell(sight, line[at])[1] for at in picks[:picks_max]),
    )


def _shown(picks: list[int], seen: int) -> list[int]:
    """Whose places in line are told with reasons: the best picks', and the nearest's as far as there is room."""
    best = picks[:PICKS_SHOWN]
    if max(best, default=0) < SHOWN:
        return list(range(min(SHOWN, seen)))
    nearest = [at for at in range(min(SHOWN, seen)) if at not in best]
    return sorted(best + nearest[: SHOWN - len(best)])


def eta_s(crew: Crew, door: Door, worker_id: WorkerId, now: datetime) -> int:
    """The predicted seconds to the door for one worker, for an assignment by hand. KeyError for an unknown worker."""
    one = crew.standing_of(worker_id)
    sight = Sight(crew, door, Wish(), now)
    return sight.eta_s(one, sight.metres(one))


def _tell(sight: Sight, seen: Seen, *, is_best: bool = False) -> tuple[str, Candidate]:
    """What counts a worker who is not shown, and what is told of them: how soon, and why or why not."""
    _, worker_id, one, distance_m = seen
    wish = sight.wish
    against, codes = "farther", ["nearest"] if is_best else []
    if one.is_on_duty and not one.is_busy:
        codes.append("on_duty")
    else:
        against = "busy" if one.is_on_duty else "off_duty"
        codes.append("on_duty" if one.is_on_duty else "off_duty")
        if one.is_busy:
            codes.append("busy")
    if worker_id in wish.barred:
        codes.append("declined")
        against = "declined" if against == "farther" else against
    if worker_id in wish.penalties_s:
        codes.append("did_not_answer")
    if not sight.is_placed:
        codes.append("home_place_unknown")
    if not sight.skills <= one.skills:
        codes += [f"lacks_skill:{skill}" for skill in wish.skills if skill not in one.skills]
        against = "lacks_skill" if against == "farther" and not wish.relax_skills else against
    is_stale = sight.now_s - one.place_at_s > FRESH_S
    codes.append("position_of_station" if one.heard else "position_stale" if is_stale else "position_fresh")
    metres = int(distance_m) if sight.is_placed else None
    return against, Candidate(worker_id, sight.eta_s(one, distance_m), metres, against == "farther", tuple(codes))
