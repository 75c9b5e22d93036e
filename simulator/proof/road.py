"""A way on which messages are lost, doubled, late, or overtaken: radio links, mobile networks, people's phones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.proof.trouble import ROAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.proof.world import World

TRIP_S = (0.02, 0.3)
LATE_S = (2.0, 90.0)
HELD_S = 3.0


class Road:
    """One direction between two kinds of parties; `name` is what its faults are counted under."""

    def __init__(self, world: World, name: str) -> None:
        self._world, self._name = world, name
        self._draw = world.chances(f"road {name}")
        self._held: list[Callable[[], object]] = []

    def carry(self, arrive: Callable[[], object], what: str) -> None:
        """Send something; `arrive` is called when it arrives, never, or twice."""
        fate = self._draw.random()
        for fault, chance in ROAD.items():
            if fate < chance:
                self._world.story.strike(f"{self._name}_{fault}", self._name, what)
                self._go_wrong(fault, arrive)
                return
            fate -= chance
        self._go(arrive)
        self._let_go()

    def _go_wrong(self, fault: str, arrive: Callable[[], object]) -> None:
        if fault == "doubled":
            self._go(arrive)
            self._go(arrive)
        elif fault == "late":
            self._world.later(self._draw.uniform(*LATE_S), arrive)
        elif fault == "reordered":
            self._held.append(arrive)
            self._world.later(HELD_S, self._let_go)

    def _go(self, arrive: Callable[[], object]) -> None:
        self._world.later(self._draw.uniform(*TRIP_S), arrive)

    def _let_go(self) -> None:
        """What was held back arrives behind what overtook it."""
        held, self._held = self._held, []
        for arrive in held:
            self._world.later(TRIP_S[1] + self._draw.uniform(*TRIP_S), arrive)
