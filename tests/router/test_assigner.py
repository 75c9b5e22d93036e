"""Who is asked, in what order, and how soon: the nearest, once, and nobody twice at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import msgspec
import pytest

from dispatch.clock import VirtualClock, limit
from dispatch.engine import Engine, FireDue, Happen, Outcome
from dispatch.errors import NotFound, SteppedDown, Unreachable
from dispatch.incident import events as ev
from dispatch.incident.policy import read_policies
from dispatch.model import AssignmentId, IncidentId, Key, Place, WorkerId
from dispatch.router import assigner as assigner_module
from dispatch.router.assigner import FLOOD, GIVE_WAY_S_MAX, READ_CREW_EVERY_S, Assigner
from dispatch.store import roster
from dispatch.store.database import Connection, Database
from dispatch.store.roster import RosterEntry
from tests.engine.test_engine import fetch, opened, press

OFFERED = "SELECT worker_id FROM assignment WHERE state = 'offered' ORDER BY worker_id"
LOUD = "SELECT facts->>'what' FROM incident_log WHERE code = 'operators_told' AND facts->>'what' = 'nobody_free'"
ONE, TWO, THREE, FOUR = (WorkerId(f"W{n}") for n in range(1, 5))


class Desk:
    """An Assigner on a real engine and database, and what operators and workers do to its calls."""

    def __init__(self, database: Database, clock: VirtualClock, engine: Engine) -> None:
        self.database, self.clock, self.engine = database, clock, engine
        self.assigner = Assigner(database, clock, engine)
        engine.listen(self.assigner.on_committed)

    async def call(self, key: Key = Key.SOS, terminal: str = "T1") -> IncidentId:
        [outcome] = await self.engine.raise_alarms([press(terminal, f"{key}-{self.clock.new_id()}", key)])
        return opened(outcome)

    async def offered(self) -> list[object]:
        """One pass over those who wait; then everybody whom an offer reaches now, by id."""
        await self.assigner.step()
        return list(await fetch(self.database, OFFERED))

    async def offers(self) -> Sequence[tuple[IncidentId, AssignmentId, str]]:
        query = "SELECT incident_id, assignment_id, worker_id FROM assignment WHERE state = 'offered'"
        return await fetch(self.database, query)  # type: ignore[return-value]

    async def decline(self) -> None:
        """Everybody who is asked says no."""
        for incident_id, offer_id, worker_id in await self.offers():
            await self.engine.happen(incident_id, ev.OfferDeclined(offer_id, worker_id, "busy"))

    async def lapse(self, seconds: float = 60) -> None:
        """Nobody who is asked answers in time."""
        await self.clock.advance(seconds)
        for incident_id, _, _ in await self.offers():
            await self.engine.submit(FireDue(incident_id))

    async def duty(self, *on_duty: str, told: bool = True) -> None:
        """Exactly these workers are on duty; `told` False: another process wrote it down."""
        await fetch(self.database, "UPDATE worker SET is_on_duty = worker_id = ANY ($1::text[])", on_duty)
        for worker_id in (ONE, TWO, THREE, FOUR):
            if told:
                self.assigner.on_duty(worker_id, is_on_duty=worker_id in on_duty)

    @asynccontextmanager
    async def choosing(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.assigner.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def desk(database: Database, clock: VirtualClock, running: Engine) -> Desk:
    return Desk(database, clock, running)


async def test_the_two_nearest_are_asked_when_life_is_at_stake_and_one_otherwise(desk: Desk) -> None:
    await desk.call(Key.SERVICE)
    assert await desk.offered() == [TWO], "by e-bike, before the car that must be fetched and the walker"
    await desk.decline()
    await desk.call(Key.SOS, "T2")
    await desk.assigner.step()
    asked = "SELECT kind, worker_id FROM assignment JOIN incident USING (incident_id)"
    offered = f"{asked} WHERE assignment.state = 'offered' ORDER BY worker_id"
    assert await fetch(desk.database, offered) == [("service", ONE), ("sos", TWO), ("sos", THREE)]


async def test_a_position_that_was_heard_counts(desk: Desk) -> None:
    await desk.offered()
    [place] = await fetch(desk.database, "SELECT lat, lon FROM home WHERE home_id = 'H1'")
    desk.assigner.on_place(ONE, Place(*place), desk.clock.now())  # type: ignore[misc]
    await desk.call(Key.SERVICE)
    assert await desk.offered() == [ONE]


async def test_the_ranking_is_kept_with_the_reasons_for_and_against(desk: Desk) -> None:
    await desk.call()
    await desk.offered()
    [text] = await fetch(desk.database, "SELECT candidates::text FROM ranking")
    ranked = {each["worker_id"]: each for each in msgspec.json.decode(str(text))}
    assert list(ranked) == [TWO, THREE, ONE, FOUR]
    assert "nearest" in ranked[TWO]["reasons"]
    assert {"off_duty", "lacks_skill:first_aid"} <= set(ranked[FOUR]["reasons"])
    assert [each["is_eligible"] for each in ranked.values()] == [True, True, True, False]


async def test_who_is_picked_stays_busy_though_the_crew_is_read_before_the_choice_is_kept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    incident_id = await desk.call(Key.SERVICE)
    keep = desk.engine.happen
    still_picked: list[bool] = []

    async def look_first(*args: Any, **kwargs: Any) -> Outcome:
        desk.assigner._crew_read_at = -READ_CREW_EVERY_S
        await desk.assigner.candidates(incident_id)  # an operator looks at the call, which reads the crew anew
        still_picked.append(desk.assigner.crew.standing_of(TWO).is_busy)
        return await keep(*args, **kwargs)

    monkeypatch.setattr(desk.engine, "happen", look_first)
    assert await desk.offered() == [TWO]
    assert still_picked == [True]
    monkeypatch.undo()
    await desk.decline()
    assert not desk.assigner.crew.standing_of(TWO).is_busy


async def test_who_said_no_is_not_asked_again(desk: Desk) -> None:
    await desk.call(Key.SERVICE)
    asked = []
    for _ in range(4):
        asked += await desk.offered()
        await desk.decline()
    assert asked == [TWO, THREE, ONE]
    await desk.duty(ONE, TWO, THREE)
    assert await desk.offered() == []


async def test_who_did_not_answer_is_asked_again_after_all_the_others(desk: Desk) -> None:
    await fetch(desk.database, "UPDATE worker SET lat = 24.48, lon = 118.1, place_at = $1", desk.clock.now())
    await desk.call(Key.SERVICE)
    asked = []
    for _ in range(4):
        asked += await desk.offered()
        await desk.lapse()
    assert asked == [TWO, THREE, ONE, TWO]


async def test_nobody_free_is_said_loudly_and_once(desk: Desk) -> None:
    await desk.duty()
    await desk.call()
    for _ in range(3):
        assert await desk.offered() == []
    assert await fetch(desk.database, LOUD) == ["nobody_free"]
    assert await fetch(desk.database, "SELECT nobody, level FROM incident") == [(True, 1)]


async def test_who_comes_on_duty_is_asked_without_waiting_for_a_poll(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assigner_module, "POLL_S", 3600)
    await desk.duty()
    async with desk.choosing():
        await asks_nobody(desk)
        await desk.duty(ONE)
        await asks(desk, 1)
    assert await fetch(desk.database, OFFERED) == [ONE]


async def test_who_comes_free_is_asked_without_waiting_for_a_poll(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assigner_module, "POLL_S", 3600)
    await desk.duty(ONE)
    first = await desk.call(Key.SERVICE, "T1")
    async with desk.choosing():
        await asks(desk, 1)
        second = await asks_nobody(desk, "T2")
        await desk.engine.happen(first, ev.Closed("op", "false_alarm"))
        await asks(desk, 1)
    assert await fetch(desk.database, "SELECT incident_id FROM assignment WHERE state = 'offered'") == [second]


async def test_who_comes_on_duty_while_the_database_is_away_is_asked_when_it_is_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.duty()
    await desk.call()
    assert await desk.offered() == []
    await desk.duty(ONE)
    with monkeypatch.context() as away, pytest.raises(Unreachable):
        away.setattr(roster, "waiting", unreachable)
        await desk.assigner.step()
    assert await desk.offered() == [ONE]


async def test_a_worker_freed_while_the_crew_is_being_read_stays_free(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before that commit says busy; believed, it would cost the next call that worker for 30 s."""
    await desk.duty(ONE)
    first = await desk.call(Key.SERVICE, "T1")
    assert await desk.offered() == [ONE]
    read, may_go_on, workers = asyncio.Event(), asyncio.Event(), roster.workers

    async def slow(connection: Connection, after: WorkerId, limit: int) -> list[RosterEntry]:
        entries = await workers(connection, after, limit)
        read.set()
        await may_go_on.wait()
        return entries

    monkeypatch.setattr(roster, "workers", slow)
    await desk.clock.advance(READ_CREW_EVERY_S)
    reading = asyncio.create_task(desk.assigner.step())
    await read.wait()
    await desk.engine.happen(first, ev.Closed("op", "false_alarm"))
    may_go_on.set()
    await reading
    await desk.call(Key.SERVICE, "T2")
    assert await desk.offered() == [ONE]


async def test_the_crew_is_read_anew_now_and_then(desk: Desk) -> None:
    """What another process wrote down is not heard here."""
    await desk.duty()
    await desk.offered()
    await fetch(desk.database, "UPDATE worker SET name = 'Newly Named' WHERE worker_id = 'W1'")
    await desk.duty(ONE, told=False)
    await desk.call()
    assert await desk.offered() == []
    await desk.clock.advance(READ_CREW_EVERY_S)
    assert await desk.offered() == [ONE]
    assert desk.assigner.names[ONE] == "Newly Named"


async def test_a_crew_of_several_slices_is_read_whole_and_who_left_is_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(assigner_module, "CREW_SLICE", 3)
    await desk.offered()
    assert set(desk.assigner.crew.row_of) == set(desk.assigner.names) == {ONE, TWO, THREE, FOUR}
    await fetch(desk.database, "DELETE FROM worker WHERE worker_id = 'W2'")
    await desk.clock.advance(READ_CREW_EVERY_S)
    await desk.offered()
    assert set(desk.assigner.crew.row_of) == set(desk.assigner.names) == {ONE, THREE, FOUR}


async def test_the_gravest_call_is_served_first(desk: Desk) -> None:
    await desk.duty(ONE)
    await desk.call(Key.SERVICE, "T1")
    await desk.clock.advance(3600)
    await desk.call(Key.SOS, "T2")
    await desk.assigner.step()
    asked = "SELECT kind, worker_id FROM assignment JOIN incident USING (incident_id)"
    assert await fetch(desk.database, asked) == [("sos", ONE)]


async def test_where_life_is_at_stake_somebody_without_the_skill_is_better_than_nobody(desk: Desk) -> None:
    await desk.duty(FOUR)
    await desk.call(Key.SOS)
    assert await desk.offered() == [FOUR]


async def test_below_that_a_skill_is_a_skill(database: Database, clock: VirtualClock) -> None:
    text = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
    skilled = text.replace("[kinds.service]\n", '[kinds.service]\nskills = ["first_aid"]\n')
    engine = Engine(database, clock, read_policies(skilled, "skilled.toml"))
    await engine.prepare()
    committing = asyncio.create_task(engine.run())
    desk = Desk(database, clock, engine)
    await desk.duty(FOUR)
    await desk.call(Key.SERVICE)
    assert await desk.offered() == []
    committing.cancel()


async def test_two_assigners_at_once_give_nobody_two_calls_and_leave_nobody_idle(
    desk: Desk, database: Database, clock: VirtualClock
) -> None:
    """The second one ranks the same people differently: it has heard that W1 stands nearer."""
    second = Engine(database, VirtualClock(clock.now(), seed=2), desk.engine.policies)
    committing = asyncio.create_task(second.run())
    other = Assigner(database, clock, second)
    await asyncio.gather(desk.assigner.step(), other.step())
    other.on_place(ONE, Place(24.481, 118.101), clock.now())
    for terminal in ("T1", "T2"):
        await desk.call(Key.SOS, terminal)
    for _ in range(2):
        await asyncio.gather(desk.assigner.step(), other.step())
    committing.cancel()
    assert await fetch(database, OFFERED) == [ONE, TWO, THREE]


async def test_a_choice_made_after_losing_the_lease_is_told_and_costs_nobody(
    database: Database, clock: VirtualClock, running: Engine
) -> None:
    leads = False

    def term() -> int | None:
        if not leads:
            raise SteppedDown("not_leading")
        return None

    engine = Engine(database, clock, running.policies, term)
    committing = asyncio.create_task(engine.run())
    desk = Desk(database, clock, engine)
    await desk.call()
    with pytest.raises(SteppedDown):
        await desk.assigner.step()
    leads = True
    assert await desk.offered() == [TWO, THREE]
    committing.cancel()


async def test_people_see_the_candidates_of_a_call_as_of_now(desk: Desk) -> None:
    incident_id = await desk.call()
    ranking = await desk.assigner.candidates(incident_id)
    assert [each.worker_id for each in ranking.candidates] == [TWO, THREE, ONE, FOUR]
    await desk.offered()
    ranking = await desk.assigner.candidates(incident_id)
    busy = {each.worker_id for each in ranking.candidates if "busy" in each.reasons}
    assert busy == {TWO, THREE}
    assert [each.worker_id for each in ranking.picks] == [ONE]


async def test_an_operator_may_pick_whom_the_router_would_not(desk: Desk) -> None:
    incident_id = await desk.call()
    pick = await desk.assigner.pick_by_hand(incident_id, FOUR)
    assert (pick.worker_id, pick.skills) == (FOUR, ())
    assert pick.eta_s > 0
    by_hand = Happen(incident_id, ev.OperatorAssigned("op", await desk.assigner.pick_by_hand(incident_id, ONE)))
    await desk.engine.submit(by_hand)
    assert await fetch(desk.database, "SELECT worker_id, offered_by FROM assignment") == [(ONE, "op")]


async def test_unknown_incidents_and_workers_are_refused_by_name(desk: Desk) -> None:
    incident_id, unknown = await desk.call(), IncidentId(desk.clock.new_id())
    for question, code in (
        (desk.assigner.candidates(unknown), "no_such_incident"),
        (desk.assigner.pick_by_hand(unknown, ONE), "no_such_incident"),
        (desk.assigner.pick_by_hand(incident_id, WorkerId("W9")), "no_such_worker"),
    ):
        with pytest.raises(NotFound) as refusal:
            await question
        assert refusal.value.code == code


async def unreachable(*_args: object, **_more: object) -> list[roster.WaitingCall]:
    raise Unreachable("database_away")


async def asks(desk: Desk, count: int) -> None:
    """Return when so many offers are out."""
    changed = asyncio.Event()
    desk.engine.listen(lambda _committed: changed.set())
    async with limit(20):
        while len(await desk.offers()) != count:
            await changed.wait()
            changed.clear()


async def asks_nobody(desk: Desk, terminal: str = "T1") -> IncidentId:
    """A call for which nobody is left; returns when that is known."""
    known = asyncio.Event()
    desk.engine.listen(lambda committed: known.set() if any(part.after.nobody for part in committed.parts) else None)
    incident_id = await desk.call(Key.SERVICE, terminal)
    async with limit(20):
        await known.wait()
    return incident_id


async def test_nobody_is_chosen_while_a_flood_is_not_stored_but_not_for_ever(
    desk: Desk, clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.call()
    monkeypatch.setattr(Engine, "alarms_waiting", property(lambda _: FLOOD + 1))
    choosing = asyncio.ensure_future(desk.assigner.step())
    await asyncio.sleep(0)
    await clock.advance(GIVE_WAY_S_MAX / 2)
    assert await fetch(desk.database, OFFERED) == []
    await clock.advance(GIVE_WAY_S_MAX)
    assert await choosing == 1
