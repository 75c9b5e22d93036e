"""The Assigner: gives every call that wants somebody its nearest available workers, the gravest call first.

It reads who waits from the database, ranks the crew held in memory, and hands its choice to the engine, which checks
under lock that each picked worker is still free. When nobody is left for a call the engine is told so, once, and the
call is tried again the moment somebody becomes free. Memory is a cache: the crew is read anew now and then.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Iterable
from datetime import datetime
from typing import Protocol

from msgspec.structs import asdict

from dispatch import logs
from dispatch.clock import Clock
from dispatch.engine import Committed, Outcome, Part
from dispatch.errors import NotFound, SteppedDown, Unreachable
from dispatch.incident.draft import wants
from dispatch.incident.events import Pick, WorkersChosen
from dispatch.incident.policy import Policy
from dispatch.model import AssignmentId, Band, IncidentId, Place, WorkerId
from dispatch.router.crew import Crew
from dispatch.router.nearest import Ranking, eta_s, rank
from dispatch.router.queue import Waiting, order
from dispatch.router.wish import Door, Wish
from dispatch.store import roster
from dispatch.store.database import Bell, Connection, Database
from dispatch.store.incidents import PolicyShelf
from dispatch.store.record import RankingRow

POLL_S = 0.3
READ_CREW_EVERY_S = 30.0
CREW_SLICE = 200
"""Workers read and put in place in one go, about 3 ms: nothing else runs meanwhile."""
CALLS_MAX = 2_000
RANKED_BETWEEN_REST = 8
"""Calls ranked before the loop may do something else: about 2 ms at 3,900 workers."""
FLOOD = 500
GIVE_WAY_S_MAX = 3.0
"""While more alarms than a batch holds are not stored, nobody is chosen: being heard comes before being helped. But
only so long in a row, or a flood without end would leave everybody heard and nobody helped."""
LOOK_AGAIN_S = 0.02
SILENT_COSTS_S = 900.0
"""Who let this call lapse, or was lost on it, is asked again only after everybody within 15 minutes."""
log = logs.get("router")


class TakesChoice(Protocol):
    """The part of the engine that the Assigner uses."""

    shelf: PolicyShelf

    @property
    def alarms_waiting(self) -> int:
        """Alarms handed in and not yet taken up."""

    def happen(
        self, incident_id: IncidentId, event: WorkersChosen, *, ranking: RankingRow | None = None
    ) -> Awaitable[Outcome]:
        """Make a choice durable."""


class Assigner:
    """Chooses; keeps the crew. Rings for itself after each commit that leaves somebody waiting or frees a worker."""

    def __init__(self, database: Database, clock: Clock, engine: TakesChoice) -> None:
        self.crew = Crew()
        self.names: dict[WorkerId, str] = {}
        self._database = database
        self._clock = clock
        self._engine = engine
        self._bell = Bell()
        self._somebody_freed = True
        self._crew_read_at = -READ_CREW_EVERY_S
        self._reading = asyncio.Lock()
        self._heard: set[WorkerId] = set()
        """About whom something was heard while the crew was being read: it is newer than what was read."""
        self._picked: set[WorkerId] = set()
        """Who was picked by a choice that is on its way: busy, whatever the database says yet."""

    # --- what it hears ------------------------------------------------------------------------------------------

    def on_committed(self, committed: Committed) -> None:
        """Keep who is busy up to date, and wake up if there is something to choose."""
        for part in committed.parts:
            self._note_workers(part)
            if wants(part.after):
                self._bell.ring()

    def _note_workers(self, part: Part) -> None:
        if part.before is not None and part.before.assignments is part.after.assignments:
            return
        live = {each.worker_id for each in part.after.live()}
        was_live = {each.worker_id for each in part.before.live()} if part.before else set()
        self._heard |= live | was_live
        for worker_id in live:
            self.crew.set_busy(worker_id, is_busy=True)
        for worker_id in was_live - live:
            self.crew.set_busy(worker_id, is_busy=False)
            self._somebody_is_free()

    def on_duty(self, worker_id: WorkerId, *, is_on_duty: bool) -> None:
        """A worker came on or went off duty."""
        self._heard.add(worker_id)
        self.crew.set_duty(worker_id, is_on_duty=is_on_duty)
        if is_on_duty:
            self._somebody_is_free()

    def on_place(self, worker_id: WorkerId, place: Place, at: datetime) -> None:
        """A position was heard."""
        self._heard.add(worker_id)
        self.crew.move(worker_id, place, at)

    def _somebody_is_free(self) -> None:
        self._somebody_freed = True
        self._bell.ring()

    # --- the loop -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Choose until cancelled."""
        while True:
            await self._clock.wait(self._bell.event, POLL_S)
            self._bell.hush()
            try:
                await self.step()
            except (Unreachable, SteppedDown) as error:
                log.warning("assigner_waits", code=error.code, **error.params)
                await self._clock.sleep(POLL_S)

    async def step(self) -> int:
        """One pass over everybody who waits; returns how many choices became durable."""
        await self._give_way()
        await self._read_crew()
        freed, self._somebody_freed = self._somebody_freed, False
        try:
            async with self._database.connection() as connection:
                calls = await roster.waiting(connection, CALLS_MAX, also_nobody=freed)
                policies = await self._engine.shelf.fetch(connection, {call.policy_hash for call in calls})
            return await self._choose(calls, policies)
        except BaseException:
            self._crew_read_at = -READ_CREW_EVERY_S  # picks may be marked busy that never were
            self._somebody_freed = True
            raise

    async def _give_way(self) -> None:
        until_s = self._clock.elapsed() + GIVE_WAY_S_MAX
        while self._engine.alarms_waiting > FLOOD and self._clock.elapsed() < until_s:
            await self._clock.sleep(LOOK_AGAIN_S)

    async def _read_crew(self) -> None:
        async with self._reading:
            if self._clock.elapsed() - self._crew_read_at < READ_CREW_EVERY_S:
                return
            self._heard.clear()
            self._crew_read_at = self._clock.elapsed()  # first: who finds the crew wrong meanwhile has it read again
            try:
                async with self._database.connection() as connection:
                    await self._read_slices(connection)
            except BaseException:
                self._crew_read_at = -READ_CREW_EVERY_S
                raise
            self._somebody_freed = True

    async def _read_slices(self, connection: Connection) -> None:
        """Read everybody, a few at a time: thousands at once would hold up the loop for as long as a press takes."""
        names: dict[WorkerId, str] = {}
        after = WorkerId("")
        while entries := await roster.workers(connection, after, CREW_SLICE):
            for entry in entries:
                if entry.worker.id not in self._heard or entry.worker.id not in self.crew:
                    is_busy = entry.is_busy or entry.worker.id in self._picked
                    self.crew.put(entry.worker, entry.station, is_busy=is_busy)
            names |= {entry.worker.id: entry.worker.name for entry in entries}
            after = entries[-1].worker.id
        for worker_id in self.crew.row_of.keys() - names.keys():
            self.crew.remove(worker_id)
        self.names = names

    async def _choose(self, calls: list[roster.WaitingCall], policies: dict[str, Policy]) -> int:
        by_id = {call.incident_id: call for call in calls}
        now = self._clock.now()
        decided: list[Awaitable[Outcome]] = []
        for n, place_in_line in enumerate(order(map(_in_line, calls), now)):
            call = by_id[place_in_line.incident_id]
            if not self.crew.free() and call.is_nobody:
                continue
            choice = self._choice(call, policies[call.policy_hash], now)
            if choice is not None:
                decided.append(asyncio.ensure_future(self._hand_in(call, *choice)))
            if n % RANKED_BETWEEN_REST == 0:
                await self._clock.sleep(0)
        outcomes = await asyncio.gather(*decided, return_exceptions=True)
        return self._count(outcomes)

    def _choice(
        self, call: roster.WaitingCall, policy: Policy, now: datetime
    ) -> tuple[WorkersChosen, RankingRow | None] | None:
        """Whom to ask, or that nobody is left; None if the latter is known already."""
        if not self.crew.free():
            return WorkersChosen((), counts={"busy_or_off_duty": len(self.crew)}), None
        ranking = self._rank(call, policy, now)
        if not ranking.picks and call.is_nobody:
            return None
        picks = tuple(
            Pick(
                offer_id=AssignmentId(self._clock.new_id()),
                worker_id=each.worker_id,
                eta_s=each.eta_s,
                distance_m=each.distance_m,
                skills=tuple(sorted(self.crew.skills_of(each.worker_id))),
            )
            for each in ranking.picks
        )
        for pick in picks:
            self.crew.set_busy(pick.worker_id, is_busy=True)
        self._picked.update(pick.worker_id for pick in picks)
        return WorkersChosen(picks, counts=ranking.counts), _row(ranking, now)

    def _rank(self, call: roster.WaitingCall, policy: Policy, now: datetime) -> Ranking:
        door = Door(call.place, call.access, call.station)
        ranking = rank(self.crew, door, _wish(call, policy), now, max(1, call.wants))
        if not ranking.picks and policy.band == Band.LIFE and policy.skills:
            # a neighbour who can hold a hand and call 120 beats an empty doorway
            ranking = rank(self.crew, door, _wish(call, policy, relax=True), now, max(1, call.wants))
        return ranking

    async def _hand_in(self, call: roster.WaitingCall, event: WorkersChosen, ranking: RankingRow | None) -> Outcome:
        try:
            outcome = await self._engine.happen(call.incident_id, event, ranking=ranking)
        except BaseException as error:
            log.warning("choice_not_taken", incident_id=str(call.incident_id), error=repr(error))
            self._crew_read_at = -READ_CREW_EVERY_S  # the picks are marked busy and are not
            raise
        finally:
            self._picked.difference_update(pick.worker_id for pick in event.picks)
        live = {each.worker_id for each in outcome.incident.live()} if outcome.incident else set()
        self._unmark(event, live)
        return outcome

    def _unmark(self, event: WorkersChosen, live: set[WorkerId]) -> None:
        """Picks that were not taken after all: what they really are is read anew."""
        if any(pick.worker_id not in live for pick in event.picks):
            self._crew_read_at = -READ_CREW_EVERY_S
            self._bell.ring()

    @staticmethod
    def _count(outcomes: Iterable[Outcome | BaseException]) -> int:
        done = 0
        for outcome in outcomes:
            if isinstance(outcome, Unreachable | SteppedDown):
                raise outcome
            done += isinstance(outcome, Outcome) and outcome.ignored is None
        return done

    # --- what others ask ----------------------------------------------------------------------------------------

    async def candidates(self, incident_id: IncidentId) -> Ranking:
        """The ranking for an incident as of now, for people to look at. Raises NotFound, Unreachable."""
        await self._read_crew()
        async with self._database.connection() as connection:
            call = await roster.door(connection, incident_id)
            if call is None:
                raise NotFound("no_such_incident", incident_id=incident_id)
            policies = await self._engine.shelf.fetch(connection, [call.policy_hash])
        return self._rank(call, policies[call.policy_hash], self._clock.now())

    async def pick_by_hand(self, incident_id: IncidentId, worker_id: WorkerId) -> Pick:
        """An offer for the worker an operator chose, with the predicted seconds. Raises NotFound, Unreachable."""
        await self._read_crew()
        async with self._database.connection() as connection:
            call = await roster.door(connection, incident_id)
        if call is None:
            raise NotFound("no_such_incident", incident_id=incident_id)
        if worker_id not in self.crew:
            raise NotFound("no_such_worker", worker_id=worker_id)
        door = Door(call.place, call.access, call.station)
        return Pick(
            offer_id=AssignmentId(self._clock.new_id()),
            worker_id=worker_id,
            eta_s=eta_s(self.crew, door, worker_id, self._clock.now()),
            skills=tuple(sorted(self.crew.skills_of(worker_id))),
        )


def _in_line(call: roster.WaitingCall) -> Waiting:
    assert call.opened_at is not None
    return Waiting(call.incident_id, call.band, call.opened_at, call.level, call.wants)


def _wish(call: roster.WaitingCall, policy: Policy, *, relax: bool = False) -> Wish:
    silent = Counter(call.silent)
    return Wish(
        skills=policy.skills,
        barred=frozenset(call.declined),
        penalties_s={worker_id: SILENT_COSTS_S * times for worker_id, times in silent.items()},
        relax_skills=relax,
    )


def _row(ranking: Ranking, now: datetime) -> RankingRow:
    return RankingRow(now, [asdict(each) for each in ranking.candidates], ranking.counts)
