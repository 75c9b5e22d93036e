"""One seed from beginning to end: a small town, storms in which presses and faults fall together, and quiet hours.

In a storm everything may go wrong at every step; after it all works again, and what was promised must come true. Where
nothing is going on the clock skips to the next thing that will: the service's own loops then all wake at once, as after
a machine was suspended.
"""

from __future__ import annotations

import gc
import hashlib
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import asyncpg

from simulator import checks
from simulator.happenings import KEYS
from simulator.loading import load
from simulator.people import BRISK, REAL, UNHURRIED
from simulator.proof.centre import Centre
from simulator.proof.homes import Homes
from simulator.proof.people import People
from simulator.proof.storm import Storm
from simulator.proof.world import World
from simulator.town import Size, build

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from dispatch.incident.policy import Policies
    from dispatch.incident.states import Incident
    from simulator.people import Habits
    from simulator.proof.depot import Depot

SIZE = Size(homes=10, stations=2, workers=6)
SETTLED_S = 1.2
"""When nothing was written for so long every loop of the service has looked, and found nothing to do."""
SKIP_AT_LEAST_S = 2.5
BEFORE_DUE_S = 0.7
EMPTY = """
    TRUNCATE incident, assignment, ranking, alarm, parked, fault, incident_log, note, outbox, lease, health_setting,
        home_day, clocks_set_back, policy, station, home, elder, resident, contact, terminal, terminal_home, worker
    RESTART IDENTITY CASCADE"""
"""A seed begins with nothing that another has left."""
ON_DUTY = "UPDATE worker SET is_on_duty = true"


@dataclass(frozen=True)
class Plan:
    """How long a seed lasts and how much happens in it."""

    hours: float = 2.6
    storms: int = 3
    storm_s: tuple[float, float] = (30.0, 75.0)
    presses: tuple[int, int] = (2, 4)


@dataclass(frozen=True)
class Stand:
    """What a seed is played on: a real loop, a database with the schema in it, and connections to it."""

    io: AbstractEventLoop
    dsn: str
    depot: Depot
    eye: asyncpg.Connection[Any]
    guard: asyncpg.Connection[Any]
    policies: Policies


@dataclass
class Verdict:
    """What came of a seed. `digest` covers the whole log: the same seed gives the same."""

    seed: int
    virtual_hours: float
    skipped_hours: float = 0.0
    """Of these, how many passed while nothing went on and nobody looked."""
    faults: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    story: list[str] = field(default_factory=list)
    digest: str = ""
    statements: int = 0
    commits: int = 0
    incidents: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.lost or self.duplicated or self.violations)


class Trial:
    """One seed on a stand."""

    def __init__(self, seed: int, stand: Stand, plan: Plan) -> None:
        self._stand, self._plan = stand, plan
        self._town = build(seed, SIZE)
        self.world = World(seed, stand.io, stand.guard)
        self._draw = self.world.chances("trial")
        habits = at_their_worst(self._draw.choice((BRISK, UNHURRIED, REAL)))
        self.homes, self.people = Homes(self.world, self._town), People(self.world, self._town, habits)
        self.centre = Centre(
            self.world, stand.depot, stand.eye, stand.policies, self.homes.hear, self.people.show, self._changed
        )
        self.homes.broker, self.people.centre = self.centre.broker, self.centre
        self._numbers = 0
        self._skipped_at_s = self._skipped_s = 0.0

    def _changed(self, before: Incident | None, after: Incident) -> None:
        self.people.see(before, after)

    def play(self) -> Verdict:
        """Play it, and judge. Nothing is collected meanwhile: what a dead task still does must not hang on when."""
        gc.disable()
        try:
            return self._play()
        finally:
            gc.enable()

    def _play(self) -> Verdict:
        world = self.world
        world.really(self._prepare())
        self.centre.start("a")
        self._plan_storms()
        world.skip_to = self._skip_to
        world.run(self._plan.hours * 3600)
        world.skip_to = lambda at_s: at_s
        self._check_homes()
        verdict: Verdict = world.really(self._judge())
        for process in list(self.centre.alive()):
            process.end()
        world.run(world.now_s + 1.0)
        return verdict

    async def _prepare(self) -> None:
        await self._stand.eye.execute(EMPTY)
        await load(self._town, self._stand.dsn)
        await self._stand.eye.execute(ON_DUTY)

    def _plan_storms(self) -> None:
        span_s = self._plan.hours * 3600 / self._plan.storms
        for n in range(self._plan.storms):
            at_s = n * span_s + self._draw.uniform(5, span_s * 0.5)
            storm = Storm(self.centre, self._draw.uniform(*self._plan.storm_s))
            self.world.later(at_s, storm.begin)
            for _ in range(self._draw.randint(*self._plan.presses)):
                self.world.later(at_s + self._draw.uniform(0, storm.seconds), self._press)

    def _press(self) -> None:
        draw, homes = self._draw, self.homes
        terminal_id = draw.choice(list(homes.terminals))
        key = draw.choices(list(KEYS), list(KEYS.values()))[0]
        self._numbers += 1
        name = f"a-{self._numbers}"
        fate = draw.random()
        if fate < 0.05:
            homes.babble(terminal_id, f"babble {name}".encode())
            return
        homes.press(terminal_id, key, name, is_test=fate < 0.1)
        if fate > 0.85:
            wait_s = draw.uniform(0, 60)
            self.world.later(wait_s, lambda: homes.cancel(terminal_id, key, name, f"{name}-back"))
        elif fate > 0.75:
            self.world.later(draw.uniform(0.5, 30), lambda: homes.again(terminal_id, name))

    # --- quiet hours ---------------------------------------------------------------------------------------------

    def _skip_to(self, at_s: float) -> float:
        world, centre = self.world, self.centre
        if centre.is_stormy or world.is_busy or centre.mirror.queued or len(centre.processes) != 1:
            return at_s
        [process] = centre.processes
        since_s = max(centre.changed_at_s, process.well_since_s, self._skipped_at_s)
        if not process.is_leading or process.is_frozen or world.now_s - since_s < SETTLED_S:
            return at_s
        until_s = min(world.next_happening_s() or self._plan.hours * 3600, self._plan.hours * 3600)
        due_s = centre.next_due_in_s()
        if due_s is not None:
            until_s = min(until_s, world.now_s + due_s - BEFORE_DUE_S)
        if until_s - at_s < SKIP_AT_LEAST_S:
            return at_s
        self._skipped_at_s = until_s
        self._skipped_s += until_s - world.now_s
        return until_s

    # --- the end -------------------------------------------------------------------------------------------------

    def _check_homes(self) -> None:
        for terminal_id, alarm_id in self.homes.unstored():
            self.world.story.breach(f"{terminal_id} never heard that {alarm_id} is stored")

    async def _judge(self) -> Verdict:
        world, mirror = self.world, self.centre.mirror
        now = self.centre.alive()[0].clock.now()
        for line in await checks.violations(self._stand.eye, now):
            world.story.breach(line)
        for incident in mirror.incidents.values():
            if incident.closed_at is not None and not _reached(incident):
                world.story.breach(f"{incident.id} was closed and reached nobody: {incident.outcome}")
        found = Counter(key[:2] for key in mirror.alarms)
        of = Counter(key[:2] for key, incident in mirror.alarms.items() if incident is not None)
        sent = sorted(self.homes.presses | self.homes.others)
        verdict = Verdict(world.seed, world.now_s / 3600, self._skipped_s / 3600, world.story.faults)
        verdict.lost = [" ".join(each) for each in sent if not found[each]]
        verdict.lost += [" ".join(each) for each in sorted(self.homes.presses) if found[each] and not of[each]]
        verdict.duplicated = [" ".join(each) for each in sent if found[each] > 1]
        verdict.violations = list(world.story.broken)
        verdict.story = world.story.lines()
        verdict.digest = await _digest(self._stand.eye)
        verdict.statements, verdict.commits = world.statements, mirror.looks
        verdict.incidents = len(mirror.incidents)
        return verdict


def at_their_worst(habits: Habits) -> Habits:
    """People as they are when nothing goes well: what they do too late must be no worse than not doing it."""
    return replace(habits, forgets_offer=0.25, says_yes_late=0.7, declines=0.12, overlooks=0.3)


def _reached(incident: Incident) -> bool:
    """Whether somebody came, or answered, or the outcome says why nobody had to."""
    came = any(each.arrived_at is not None for each in incident.assignments)
    return came or incident.answered_at is not None or incident.outcome in {"test", "cancelled"}


async def _digest(eye: asyncpg.Connection[Any]) -> str:
    """A hash of the whole log, in its order."""
    rows = await eye.fetch("SELECT incident_id, at, code, by, state, level, facts FROM incident_log ORDER BY seq")
    content = "\n".join(" ".join(map(str, row.values())) for row in rows)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
