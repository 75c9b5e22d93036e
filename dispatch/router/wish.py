"""What a call asks for: a door to go to, and whom it wants there. Pure."""

from __future__ import annotations

import msgspec

from dispatch.model import Access, Place, WorkerId

STAIRS_S_PER_FLOOR = 16.0
LIFT_WAIT_S = 40.0
LIFT_S_PER_FLOOR = 3.0
FLOORS_WITHOUT_LIFT = 6
"""A floor is climbed in about 16 s with a bag; a lift is waited for and then does a floor in 3 s: ours. Where nobody
wrote it down, a building with a seventh floor has a lift, as GB 50096 asks of dwellings."""


class Door(msgspec.Struct, frozen=True):
    """Where somebody is to go: the home's place, its access, and its station's place for want of its own."""

    place: Place | None
    access: Access = Access()
    station: Place | None = None


class Wish(msgspec.Struct, frozen=True):
    """What a call asks of a worker, and who has had it before.

    `barred` declined it. `penalties_s` are seconds (0 or more) by which workers are ranked later who let it lapse or
    were lost on it. `relax_skills`: nobody skilled is free, so take whoever can come, the skilled still first.
    """

    skills: tuple[str, ...] = ()
    barred: frozenset[WorkerId] = frozenset()
    penalties_s: dict[WorkerId, float] = {}
    relax_skills: bool = False


def floors_s(access: Access) -> float:
    """Seconds from the building's entrance to the door; floor 1 is the ground floor, as in China."""
    storeys = abs((access.floor or 1) - 1) if (access.floor or 1) > 0 else abs(access.floor or 0)
    has_lift = access.has_lift if access.has_lift is not None else (access.floor or 1) > FLOORS_WITHOUT_LIFT
    stairs_s = STAIRS_S_PER_FLOOR * storeys
    return min(stairs_s, LIFT_WAIT_S + LIFT_S_PER_FLOOR * storeys) if has_lift else stairs_s
