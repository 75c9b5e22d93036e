"""A storm: for a minute everything around the service may break, and it may be killed, frozen or replaced itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.proof.centre import Centre

BLOWS = (2, 4)
DIES_WITHIN_STEPS = 80
AWAY_S = (0.5, 20.0)
NAP_S = (0.1, 1.9)
SLEEP_S = (3.0, 25.0)
BACK_WITHIN_S = 14.0
"""A statement that hangs outlasts the storm by up to 5 s, a restart takes up to 3 s here, a takeover 3 to 4 s more."""


class Storm:
    """One storm over a centre, `seconds` long."""

    def __init__(self, centre: Centre, seconds: float) -> None:
        self._centre, self._world = centre, centre.world
        self.seconds = seconds
        self._draw = centre.world.chances(f"storm {centre.world.next_storm()}")

    def begin(self) -> None:
        """Let it begin."""
        self._weather(is_stormy=True)
        blows: list[Callable[[], None]] = [
            self._kill, self._kill, self._database_away, self._broker_dies, self._freeze, self._take_over,
            self._set_clock,
        ]  # fmt: skip
        for _ in range(self._draw.randint(*BLOWS)):
            self._strike_later(self._draw.uniform(0, self.seconds), self._draw.choice(blows))
        self._world.later(self.seconds, self._end)

    def _weather(self, *, is_stormy: bool) -> None:
        self._world.story.tell("world", "a storm begins" if is_stormy else "the storm is over")
        self._centre.is_stormy = is_stormy
        for process in self._centre.alive():
            process.trouble.is_stormy = is_stormy
            process.trouble.is_database_away = False
            process.dies_in = None
            process.well_since_s = self._world.now_s

    def _end(self) -> None:
        """Everything works again, and one process is left."""
        self._weather(is_stormy=False)
        self._centre.leave_one()
        self._world.later(BACK_WITHIN_S, self._centre.expect_service)

    def _strike_later(self, seconds: float, blow: Callable[[], None]) -> None:
        self._world.later(seconds, lambda: blow() if self._centre.is_stormy else None)

    # --- blows ---------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        for process in self._centre.alive()[:1]:
            process.dies_in = self._draw.randint(1, DIES_WITHIN_STEPS)

    def _database_away(self) -> None:
        self._world.story.strike("database_away", "world")
        for process in self._centre.alive():
            process.trouble.is_database_away = True
        self._world.later(self._draw.uniform(*AWAY_S), self._database_back)

    def _database_back(self) -> None:
        for process in self._centre.alive():
            process.trouble.is_database_away = False

    def _broker_dies(self) -> None:
        self._centre.broker.die(forgets=self._draw.random() < 0.5, for_s=self._draw.uniform(0.2, 8))

    def _freeze(self) -> None:
        for process in self._centre.alive()[:1]:
            process.freeze(self._draw.uniform(*NAP_S))

    def _take_over(self) -> None:
        """Another process stands by; the leader dies, or freezes and wakes late."""
        self._world.story.strike("standby", "world")
        self._centre.start("b" if self._centre.alive() and self._centre.alive()[0].instance == "a" else "a")
        self._strike_later(self._draw.uniform(1, 5), self._fell_leader)

    def _fell_leader(self) -> None:
        leader = self._centre.leader()
        if leader is None:
            return
        if self._draw.random() < 0.5:
            leader.dies_in = self._draw.randint(1, 20)
        else:
            leader.freeze(self._draw.uniform(*SLEEP_S))

    def _set_clock(self) -> None:
        """Somebody sets the wall clock; the next process to start believes it."""
        off_s = self._draw.choice((-1, 1)) * self._draw.choice((1.0, 5.0, 60.0, 3600.0))
        self._world.story.strike("clock_set", "world", f"by {off_s:+.0f} s")
        self._centre.wall_off_s += off_s
        if self._draw.random() < 0.7:
            self._kill()
