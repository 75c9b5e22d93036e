"""Clocks fire at exactly their instants, whatever happens to the process, the other clocks or the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import pytest

from dispatch.clock import VirtualClock, limit
from dispatch.engine import Engine, Happen
from dispatch.errors import SteppedDown
from dispatch.incident import events as ev
from dispatch.incident.policy import Policies
from dispatch.model import Band, IncidentId, Key
from dispatch.router import deadlines as deadlines_module
from dispatch.router.deadlines import POLL_S, Deadlines
from dispatch.store import incidents
from dispatch.store.database import Database
from tests.engine.conftest import START
from tests.engine.test_engine import fetch, opened, pick, press

LAPSES_AT = START + timedelta(seconds=30)
CLIMBS_AT = START + timedelta(seconds=60)
LAPSED = "SELECT at FROM incident_log WHERE code = 'offer_lapsed' ORDER BY seq"
CLIMBED = "SELECT at FROM incident_log WHERE code = 'climbed' ORDER BY seq"


class Watch:
    """The loop that fires clocks, on a clock that nobody else sleeps on."""

    def __init__(self, database: Database, clock: VirtualClock, engine: Engine, *, hears: bool = True) -> None:
        self.lags_s: list[float] = []
        self.deadlines = Deadlines(database, clock, engine, self.lags_s.append)
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        if hears:
            engine.listen(self.deadlines.on_committed)

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[Watch]:
        self._task = asyncio.create_task(self.deadlines.run())
        try:
            await self.rests()
            yield self
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def rests(self) -> None:
        """Return when the loop has done all it can do now, and waits for time to pass."""
        async with limit(20):
            while self._clock.next_wake_at() is None:
                assert self._task is not None
                assert not self._task.done(), "the loop has ended"
                await asyncio.sleep(0)

    async def pass_to(self, at: datetime) -> None:
        """Let time pass, and let the loop do what it does at each instant at which it wakes."""
        while (wakes_at := self._clock.next_wake_at()) is not None and wakes_at <= at:
            await self._clock.advance_to(wakes_at)
            await self.rests()
        await self._clock.advance_to(at)


@asynccontextmanager
async def new_process(
    database: Database, clock: VirtualClock, policies: Policies, term: Callable[[], int | None] = lambda: None
) -> AsyncIterator[Watch]:
    """An engine and a loop that remember nothing."""
    engine = Engine(database, clock, policies, term)
    committing = asyncio.create_task(engine.run())
    yield Watch(database, clock, engine)
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)


def not_leading() -> int:
    raise SteppedDown("not_leading")


@pytest.fixture
def watch(database: Database, clock: VirtualClock, running: Engine) -> Watch:
    return Watch(database, clock, running)


async def offer(engine: Engine, clock: VirtualClock, terminal: str = "T1", worker: str = "W1") -> IncidentId:
    """A press, and an offer that is out for 30 s."""
    [outcome] = await engine.raise_alarms([press(terminal)])
    await engine.happen(opened(outcome), ev.WorkersChosen((pick(clock, worker),)))
    return opened(outcome)


async def test_a_clock_fires_at_its_instant_and_not_before(
    watch: Watch, running: Engine, clock: VirtualClock, database: Database
) -> None:
    async with watch.watching():
        await offer(running, clock)
        await watch.rests()
        await watch.pass_to(LAPSES_AT - timedelta(microseconds=1))
        assert await fetch(database, LAPSED) == []
        await watch.pass_to(LAPSES_AT)
        assert await fetch(database, LAPSED) == [LAPSES_AT]
    assert set(watch.lags_s) == {0.0}


async def test_a_commit_with_an_earlier_clock_wakes_it(
    watch: Watch, running: Engine, clock: VirtualClock, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadlines_module, "POLL_S", 3600)
    fired = asyncio.Event()
    running.listen(lambda committed: fired.set() if committed.at == LAPSES_AT else None)
    async with watch.watching(), limit(20):
        await offer(running, clock)
        await watch.pass_to(LAPSES_AT)
        await fired.wait()
    assert await fetch(database, LAPSED) == [LAPSES_AT]


async def test_a_clock_that_another_process_set_is_found(
    database: Database, clock: VirtualClock, running: Engine
) -> None:
    watch = Watch(database, clock, running, hears=False)
    async with watch.watching():
        await offer(running, clock)
        await watch.pass_to(LAPSES_AT)
        assert await fetch(database, LAPSED) == [LAPSES_AT]


async def test_a_restart_in_the_middle_loses_no_clock_and_starts_none_again(
    watch: Watch, running: Engine, clock: VirtualClock, database: Database, policies: Policies
) -> None:
    async with watch.watching():
        await offer(running, clock)
        await watch.rests()
        await watch.pass_to(START + timedelta(seconds=15))
    async with new_process(database, clock, policies) as again, again.watching():
        await again.pass_to(LAPSES_AT)
        assert await fetch(database, LAPSED) == [LAPSES_AT]


async def test_what_ran_out_while_nobody_watched_fires_at_once_and_is_told_as_late(
    running: Engine, clock: VirtualClock, database: Database, policies: Policies
) -> None:
    await offer(running, clock)
    await clock.advance(34)
    async with new_process(database, clock, policies) as again, again.watching():
        assert await fetch(database, LAPSED) == [clock.now()]
        assert again.lags_s[0] == 4.0


async def test_a_thousand_clocks_of_one_instant_all_fire_at_it(
    watch: Watch, running: Engine, database: Database
) -> None:
    await running.raise_alarms([press(f"G{n}") for n in range(1000)])
    async with watch.watching():
        await watch.pass_to(CLIMBS_AT)
        assert await fetch(database, CLIMBED) == [CLIMBS_AT] * 1000


async def test_after_a_while_without_anybody_the_gravest_clocks_fire_first(
    running: Engine, clock: VirtualClock, database: Database
) -> None:
    for terminal, key in (("T1", Key.SERVICE), ("T2", Key.SOS)):
        await running.raise_alarms([press(terminal, key=key)])
        await clock.advance(1)
    await clock.advance(3600)
    async with database.connection() as connection:
        [first, second] = await incidents.due(connection, clock.now(), 500)
        assert await incidents.due(connection, clock.now(), 1) == [first]
    bands = await fetch(database, "SELECT band FROM incident ORDER BY incident_id <> $1", first)
    assert (bands, first != second) == ([Band.LIFE, Band.SERVICE], True)


async def test_one_clock_that_cannot_fire_stops_no_other_and_fires_when_it_can(
    watch: Watch, running: Engine, clock: VirtualClock, database: Database
) -> None:
    await running.raise_alarms([press("T1"), press("T2")])
    await fetch(database, "ALTER TABLE incident ADD CONSTRAINT stuck CHECK (subject_id <> 'H1' OR level = 0)")
    climbed = "SELECT subject_id FROM incident WHERE level > 0 ORDER BY subject_id"
    async with watch.watching():
        await watch.pass_to(CLIMBS_AT)
        assert await fetch(database, climbed) == ["H2"]
        await fetch(database, "ALTER TABLE incident DROP CONSTRAINT stuck")
        await watch.pass_to(clock.now() + timedelta(seconds=POLL_S))
        assert await fetch(database, climbed) == ["H1", "H2"]


@pytest.mark.parametrize("is_leading", [True, False], ids=["refused_by_the_database", "lease_just_lost"])
async def test_clocks_that_cannot_fire_are_tried_at_a_polls_pace_however_many_there_are(
    database: Database,
    clock: VirtualClock,
    running: Engine,
    policies: Policies,
    monkeypatch: pytest.MonkeyPatch,
    is_leading: bool,
) -> None:
    monkeypatch.setattr(deadlines_module, "AT_ONCE_MAX", 2)
    await running.raise_alarms([press("T1"), press("T2"), press("T3")])
    await clock.advance_to(CLIMBS_AT)
    if is_leading:
        await fetch(database, "ALTER TABLE incident ADD CONSTRAINT stuck CHECK (level = 0)")
    term = (lambda: None) if is_leading else not_leading
    async with new_process(database, clock, policies, term) as watch, watch.watching():
        assert clock.next_wake_at() == CLIMBS_AT + timedelta(seconds=POLL_S)
        assert await fetch(database, CLIMBED) == []


async def test_a_closed_call_has_no_clock_left(
    watch: Watch, running: Engine, clock: VirtualClock, database: Database
) -> None:
    async with watch.watching():
        incident_id = await offer(running, clock)
        await running.submit(Happen(incident_id, ev.Closed("op", "false_alarm")))
        await watch.rests()
        await watch.pass_to(CLIMBS_AT)
        assert await fetch(database, LAPSED) == []
        assert await fetch(database, CLIMBED) == []
