"""What only the leader does, for one term of the lease: hear terminals, choose, watch clocks, send, keep."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from dispatch import logs
from dispatch.app.parts import Parts
from dispatch.app.running import keep_all_running
from dispatch.app.watching import Watching
from dispatch.clock import Clock
from dispatch.devices.kinds import Lane
from dispatch.devices.listening import Listening
from dispatch.engine import RaiseByService
from dispatch.errors import Unreachable
from dispatch.incident.states import Subject, SubjectKind
from dispatch.ingest import Housekeeping, Lanes, Sinks
from dispatch.model import Alarm, Key, Unreadable, Vitals
from dispatch.notify.centre_state import CentreStateTeller
from dispatch.notify.sender import Sender
from dispatch.store import clocks, record, vitals
from dispatch.store.database import Database

AGAIN_S = 1.0
BEHIND_MAX = timedelta(seconds=2)
"""Two machines' clocks may be apart by so much."""
log = logs.get("app")


class Leading:
    """One term. `lanes` hear terminals and carry what goes down to them; `centre_state` says that somebody hears."""

    def __init__(self, parts: Parts, sender: Sender, watching: Watching, term: int) -> None:
        self._parts = parts
        self._watching = watching
        watching.begin()
        self._sender = sender
        self._term = term
        self._heard_before: set[Lane] = set()
        self._gaps: set[asyncio.Task[None]] = set()
        settings = parts.settings
        self.lanes = Lanes(
            parts.broker, settings.centre_id, parts.clock, self._sinks(), self._on_gap, ledger=watching.unstored
        )
        self._listening = Listening(parts.databases.house, parts.clock, self._is_listening)
        self.centre_state = CentreStateTeller(parts.broker, settings.centre_id, parts.clock, term, self._on_dropped)

    def _sinks(self) -> Sinks:
        return Sinks(
            raise_alarms=self._raise_alarms,
            registered=self._parts.registry.registered,
            judge=self._parts.registry.judge,
            keep_vitals=self._keep_vitals,
            keep_house=self._keep_house,
            park=self._park,
        )

    def _is_listening(self) -> bool:
        return self.lanes.connections[Lane.VITALS].is_connected

    async def run(self) -> None:
        """Lead until cancelled."""
        parts = self._parts
        loops = {
            "lanes": self.lanes.run,
            "centre_state": self.centre_state.run,
            "assigner": parts.assigner.run,
            "deadlines": parts.deadlines.run,
            "sender": self._sender.run,
            "keeper": parts.keeper.run,
            "hours": parts.hours.run,
            "listening": self._listening.run,
            "rounds": parts.rounds.run,
            "registry": parts.registry.run,
            "watcher": self._watching.watcher.run,
            "homes": self._watching.homes.run,
        }
        if self._watching.canary is not None:
            loops["canary"] = self._watching.canary.run
        try:
            await begin_clocks(parts.databases.router, parts.clock, self._term)
            await keep_all_running(loops, parts.clock, parts.metrics.failed)
        finally:
            for telling in self._gaps:
                telling.cancel()

    # --- what is done with what was heard -----------------------------------------------------------------------

    async def _raise_alarms(self, alarms: Sequence[Alarm]) -> None:
        await self._parts.engine.raise_alarms(alarms, self._term)
        now = self._parts.clock.now()
        for alarm in alarms:
            self._parts.metrics.alarm_stored(alarm.key.value, (now - alarm.received_at).total_seconds())

    def _must_lead(self) -> None:
        """Raise Unreachable if we were frozen and another may hear by now what we still hold."""
        if not self._parts.lease.is_ours(self._term):
            raise Unreachable("overtaken", term=self._term)

    async def _keep_vitals(self, readings: Sequence[Vitals]) -> None:
        self._must_lead()
        async with self._parts.databases.vitals.connection() as connection:
            await vitals.add(connection, readings)
        self._parts.metrics.readings_stored(len(readings))

    async def _keep_house(self, told: Sequence[Housekeeping]) -> None:
        self._must_lead()
        await self._parts.presence.keep(told)

    async def _park(self, messages: Sequence[Unreadable]) -> None:
        self._must_lead()
        rows = [(self._parts.clock.new_id(), message) for message in messages]
        async with self._parts.databases.house.transaction() as connection:
            await record.add_parked(connection, rows)
        for message in messages:
            self._parts.metrics.parked(message.reason)

    # --- gaps ---------------------------------------------------------------------------------------------------

    def _on_gap(self, lane: Lane) -> None:
        """The broker has no session for a lane. A centre that never led before had none to lose."""
        is_first_ever = self._term == 1 and lane not in self._heard_before
        self._heard_before.add(lane)
        if is_first_ever:
            return
        log.error("possible_gap", lane=lane.value, term=self._term)
        self._parts.metrics.possible_gap(lane.value)
        self._tell_gap_soon({"lane": lane.value})

    def _on_dropped(self, count: int) -> None:
        """The broker had no room for something: a press may be among it."""
        self._parts.metrics.possible_gap("dropped")
        self._tell_gap_soon({"dropped": count})

    def _tell_gap_soon(self, facts: dict[str, Any]) -> None:
        telling = asyncio.ensure_future(self._tell_gap(facts))
        self._gaps.add(telling)
        telling.add_done_callback(self._gaps.discard)

    async def _tell_gap(self, facts: dict[str, Any]) -> None:
        subject = Subject(SubjectKind.CENTRE, self._parts.settings.centre_id)
        while True:
            try:
                await self._parts.engine.submit(RaiseByService(Key.POSSIBLE_GAP, subject, facts))
            except Unreachable:
                await self._parts.clock.sleep(AGAIN_S)
            else:
                return


async def begin_clocks(database: Database, clock: Clock, term: int) -> None:
    """If the wall clock is behind what was written last, running clocks go on from where they stood then.

    Otherwise a call opened while the wall clock was a year ahead would wait a year for its next step.
    """
    while True:
        try:
            async with database.transaction(term) as connection:
                newest_at = await clocks.newest(connection)
                now = clock.now()
                behind = newest_at - now if newest_at else timedelta()
                if behind > BEHIND_MAX:
                    log.error("wall_clock_behind", seconds=round(behind.total_seconds(), 1))
                    await clocks.set_back(connection, behind, now)
        except Unreachable as error:
            log.warning("clocks_wait", **error.params)
            await clock.sleep(AGAIN_S)
        else:
            return
