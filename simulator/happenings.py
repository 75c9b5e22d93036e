"""What happens in a town, and when: presses, tests, cancels, repeats, readings, nonsense. From the seed alone. Pure."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from simulator.town import chances
from simulator.trouble import Nonsense, broken_alarm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from dispatch.model import TerminalId
    from simulator.terminal import Key

KEYS: dict[Key, int] = {"sos": 52, "fall": 22, "fire": 3, "family": 7, "service": 9, "consult": 7}
"""How often each key is pressed, as weights. Ours: no centre publishes its own."""


OVERTAKEN_BY_S = 0.05
"""How far a cancel may overtake its press."""


@dataclass(frozen=True)
class Weather:
    """How much happens. Shares are of presses, rates are of the whole town.

    `declines_per_min`: how often the readings of one of the frail begin to go wrong, bit by bit, one `decline_every_s`.

    `cancelled`: taken back after some seconds. `cancelled_first`: the cancel overtakes its press. `repeated`: the very
    same message again though it was stored. `doubled`: a second press of the same key within a second.
    """

    presses_per_min: float = 6.0
    tests_per_min: float = 0.5
    readings_per_min: float = 30.0
    nonsense_per_min: float = 0.5
    cancelled: float = 0.08
    cancelled_first: float = 0.01
    repeated: float = 0.06
    doubled: float = 0.05
    critical: float = 0.02
    cancel_after_s: tuple[float, float] = (2.0, 12.0)
    declines_per_min: float = 0.0
    decline_every_s: float = 20.0


@dataclass(frozen=True, order=True)
class Happening:
    """Something at a terminal, `at_s` seconds after the beginning; `number` is unique within the town."""

    at_s: float
    number: int
    terminal_id: TerminalId


@dataclass(frozen=True, order=True)
class Press(Happening):
    """An elder presses a key; `number` names the press."""

    key: Key
    is_test: bool = False


@dataclass(frozen=True, order=True)
class Cancel(Happening):
    """An elder takes the press of that number back."""

    key: Key
    of: int


@dataclass(frozen=True, order=True)
class Repeat(Happening):
    """The terminal says the press of that number once more, for no good reason."""

    of: int


@dataclass(frozen=True, order=True)
class Reading(Happening):
    """A terminal measures; critical ones are far beyond every threshold."""

    heart_rate_bpm: int
    spo2_percent: int
    systolic_mmhg: int
    diastolic_mmhg: int


def measured(reading: Reading) -> dict[str, int | str]:
    """What a terminal says of a reading."""
    names = ("heart_rate_bpm", "spo2_percent", "systolic_mmhg", "diastolic_mmhg")
    return {name: getattr(reading, name) for name in names}


@dataclass(frozen=True, order=True)
class Broken(Happening):
    """A terminal says something that nobody can read."""

    nonsense: Nonsense


Source = Literal["press", "test", "reading", "nonsense", "decline"]

DECLINE = (
    (84, 96, 128, 76),
    (92, 95, 124, 74),
    (98, 94, 118, 72),
    (106, 93, 112, 70),
    (113, 92, 108, 66),
    (117, 92, 105, 64),
    (119, 92, 104, 62),
    (121, 91, 102, 62),
    (123, 90, 101, 60),
    (124, 90, 99, 58),
    (126, 89, 98, 58),
    (125, 89, 97, 58),
    (124, 89, 97, 57),
    (112, 93, 108, 66),
    (94, 95, 120, 72),
    (80, 97, 130, 78),
)
"""Pulse, saturation and pressure of somebody who falls ill and is helped: NEWS2 5, then a limit, then 7; then well."""


def happenings(
    terminals: Sequence[TerminalId], seed: int, weather: Weather, frail: Sequence[TerminalId] = ()
) -> Iterator[Happening]:
    """Everything that happens at these terminals, in order, without end; only the `frail` ones' readings go wrong."""
    return _Sky(terminals, seed, weather, frail).run()


class _Sky:
    """Five independent streams with exponential gaps, and what follows from single happenings."""

    def __init__(
        self, terminals: Sequence[TerminalId], seed: int, weather: Weather, frail: Sequence[TerminalId]
    ) -> None:
        self._terminals, self._frail = terminals, frail
        self._weather = weather
        self._numbers = itertools.count(1)
        self._draws: dict[Source, Random] = {}
        self._ahead: list[tuple[float, int, Happening | Source]] = []
        self._rates: dict[Source, float] = {
            "press": weather.presses_per_min,
            "test": weather.tests_per_min,
            "reading": weather.readings_per_min,
            "nonsense": weather.nonsense_per_min,
            "decline": weather.declines_per_min if frail else 0.0,
        }
        for source in self._rates:
            self._draws[source] = chances(seed, f"happenings {source}")
            self._schedule(source, 0.0)

    def run(self) -> Iterator[Happening]:
        while self._ahead:
            at_s, _, what = heapq.heappop(self._ahead)
            if isinstance(what, Happening):
                yield what
            else:
                self._happen(what, at_s)
                self._schedule(what, at_s)

    def _schedule(self, source: Source, after_s: float) -> None:
        if self._rates[source] > 0:
            gap_s = self._draws[source].expovariate(self._rates[source] / 60)
            heapq.heappush(self._ahead, (after_s + gap_s, next(self._numbers), source))

    def _put(self, happening: Happening) -> None:
        heapq.heappush(self._ahead, (happening.at_s, happening.number, happening))

    def _happen(self, source: Source, at_s: float) -> None:
        if source == "decline":
            self._decline(at_s)
            return
        draw, number = self._draws[source], next(self._numbers)
        terminal_id = draw.choice(self._terminals)
        if source == "press":
            self._press(at_s, terminal_id, draw)
        elif source == "test":
            self._put(Press(at_s, number, terminal_id, "sos", is_test=True))
        elif source == "reading":
            self._put(self._reading(at_s, number, terminal_id, draw))
        else:
            self._put(Broken(at_s, number, terminal_id, broken_alarm(draw)))

    def _press(self, at_s: float, terminal_id: TerminalId, draw: Random) -> None:
        weather, number = self._weather, next(self._numbers)
        key = draw.choices(list(KEYS), list(KEYS.values()))[0]
        fate = draw.random()
        if fate < weather.cancelled_first:
            self._put(Cancel(at_s, next(self._numbers), terminal_id, key, number))
            at_s += OVERTAKEN_BY_S
        elif fate < weather.cancelled_first + weather.cancelled:
            later_s = at_s + draw.uniform(*weather.cancel_after_s)
            self._put(Cancel(later_s, next(self._numbers), terminal_id, key, number))
        self._put(Press(at_s, number, terminal_id, key))
        if draw.random() < weather.doubled:
            self._put(Press(at_s + draw.uniform(0.001, 1), next(self._numbers), terminal_id, key))
        if draw.random() < weather.repeated:
            self._put(Repeat(at_s + draw.uniform(0.5, 5), next(self._numbers), terminal_id, number))

    def _decline(self, at_s: float) -> None:
        draw = self._draws["decline"]
        terminal_id = draw.choice(self._frail)
        for rate, saturation, systolic, diastolic in DECLINE:
            about = rate + draw.choice((-1, 0, 0, 0))
            self._put(Reading(at_s, next(self._numbers), terminal_id, about, saturation, systolic, diastolic))
            at_s += self._weather.decline_every_s

    def _reading(self, at_s: float, number: int, terminal_id: TerminalId, draw: Random) -> Reading:
        if draw.random() < self._weather.critical:
            return Reading(at_s, number, terminal_id, draw.choice((31, 178)), 79, draw.choice((74, 228)), 62)
        return Reading(
            at_s,
            number,
            terminal_id,
            heart_rate_bpm=round(draw.gauss(74, 6)),
            spo2_percent=min(100, round(draw.gauss(97, 0.8))),
            systolic_mmhg=round(draw.gauss(132, 9)),
            diastolic_mmhg=round(draw.gauss(80, 6)),
        )
