"""One transaction over a batch of items: lock and read (`ground`), decide each in order of arrival, save (`saving`).

Every decision is checked against the invariants before it is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from dispatch.clock import Clock
from dispatch.crash import crash_at
from dispatch.engine import saving
from dispatch.engine.ground import Ground, SubjectKey, care_of, home_by_hand
from dispatch.engine.items import (
    Committed,
    FireDue,
    Happen,
    Item,
    OpenByHand,
    Outcome,
    Part,
    RaiseAlarm,
    RaiseByService,
)
from dispatch.errors import DispatchError, NotFound, Overtaken, Refused, Unreachable
from dispatch.incident import events as ev
from dispatch.incident.clocks import due_at, due_event
from dispatch.incident.decide import Decision, Opening, decide, open_incident
from dispatch.incident.effects import Effect, RaiseIncident, Record, SendReceipt, Stage
from dispatch.incident.invariants import violations
from dispatch.incident.policy import Policies
from dispatch.incident.states import (
    Caller,
    Incident,
    IncidentClass,
    Subject,
    SubjectKind,
)
from dispatch.incident.triage import class_of
from dispatch.model import Alarm, HomeId, IncidentId, Key, Origin, TerminalId, WorkerId
from dispatch.store import incidents as store
from dispatch.store import record
from dispatch.store.database import Connection
from dispatch.store.outbox import OutboxMessage
from dispatch.store.writes import Writes

Done = tuple[list[Outcome | DispatchError], Committed]
"""What became of each item, in their order (one refused by itself as its error), and what became durable."""

CANCEL_WAITS = timedelta(minutes=10)
DUE_AT_ONCE_MAX = 20
"""Clocks of one incident fired in one batch; more than this means a rule that does not move its clock on."""


class Batch:
    """Decides and writes one batch inside a transaction that the caller opened and commits."""

    def __init__(self, items: Sequence[Item], clock: Clock, policies: Policies, shelf: store.PolicyShelf) -> None:
        self._items = items
        self._clock = clock
        self._policies = policies
        self._now: datetime = clock.now()
        self._ground = Ground(items, shelf)
        self._effects: list[tuple[Incident | None, Effect]] = []
        self._alarms: list[record.AlarmRow] = []

    async def run(self, connection: Connection) -> Done:
        """Do everything up to the commit. An item refused by itself comes back as its error; the others go on."""
        await self._ground.lock(connection)
        return await self._decide(connection)

    async def run_new_calls(self, connection: Connection, homes: dict[TerminalId, HomeId]) -> Done:
        """Do everything, the commit included, without a lock: the items are new calls of these quiet homes.

        Raises asyncpg.UniqueViolationError, and nothing was done, if one of them is no longer that.
        """
        self._ground.stand_on_new_calls(homes)
        return await self._decide(connection)

    async def run_due(self, connection: Connection, incidents: Sequence[Incident], term: int | None) -> Done:
        """Do everything, the commit included, without a lock: the items are clocks of incidents as they were read.

        Raises Overtaken, and nothing was done, if one of them has changed since, if a decision concerns others, or if
        `term` is over.
        """
        self._ground.stand_on(incidents)
        outcomes = self._outcomes()
        if any(isinstance(effect, RaiseIncident) for _, effect in self._effects):
            raise Overtaken("concerns_others")
        writes, messages, updates = self._writes()
        await writes.commit(connection, updates, term)
        return self._done(outcomes, messages)

    async def _decide(self, connection: Connection) -> Done:
        outcomes = self._outcomes()
        await self._raise_incidents(connection)
        writes, messages, updates = self._writes()
        if await writes.execute(connection) != updates:
            raise Unreachable("version_conflict", incidents=updates)
        return self._done(outcomes, messages)

    def _outcomes(self) -> list[Outcome | DispatchError]:
        self._now = self._clock.now()  # after locking and reading: clocks run from when it is decided
        outcomes = [self._try(item) for item in self._items]
        crash_at("after_decision")
        return outcomes

    def _done(self, outcomes: list[Outcome | DispatchError], messages: Sequence[OutboxMessage]) -> Done:
        return outcomes, Committed(self._now, self._parts(), messages, len(self._items), 0.0)

    def _writes(self) -> tuple[Writes, list[OutboxMessage], int]:
        """Everything to be written, the messages among it, and how many incidents must still be as they were read."""
        ground = self._ground
        writes = Writes()
        versioned, updates = saving.save_incidents(writes, ground.loaded, ground.incidents)
        ground.incidents |= versioned
        if self._alarms:
            record.insert_alarms(writes, self._alarms)
        saving.save_beside(writes, self._items, set(ground.incidents))
        messages = saving.save_messages(writes, self._effects, self._now, self._clock)
        saving.append_log(writes, self._effects, self._now)
        return writes, messages, updates

    def _parts(self) -> list[Part]:
        by_id: dict[IncidentId, list[Effect]] = defaultdict(list)
        for incident, effect in self._effects:
            if incident is not None:
                by_id[incident.id].append(effect)
        return [
            Part(self._ground.loaded.get(incident_id), self._ground.incidents[incident_id], tuple(effects))
            for incident_id, effects in by_id.items()
        ]

    def _try(self, item: Item) -> Outcome | DispatchError:
        try:
            match item:
                case RaiseAlarm():
                    return self._alarm(item.alarm)
                case Happen():
                    return self._happen(item)
                case FireDue():
                    return self._fire(item.incident_id)
                case OpenByHand():
                    return self._by_hand(item)
                case RaiseByService():
                    return self._by_service(item)
        except DispatchError as error:
            return error

    def _alarm(self, alarm: Alarm) -> Outcome:
        same = self._ground.seen[alarm.terminal_id, alarm.alarm_id]
        exact = next((each for each in same if each.digest == alarm.digest), None)
        if exact is not None:
            return self._repeat(alarm, exact)
        if alarm.cancel_of is not None:
            return self._cancel(alarm, alarm.cancel_of)
        if same:
            alarm = replace(alarm, flaws=(*alarm.flaws, "id_reused"))
        subject = care_of(self._ground.home_of[alarm.terminal_id])
        open_id = self._ground.open.get(subject)
        if alarm.is_test or open_id is None:
            incident = self._open_for(alarm, subject)
        else:
            event = ev.AlarmRaised(
                alarm.terminal_id,
                alarm.alarm_id,
                alarm.key,
                self._policies[alarm.key],
                cancel_ids=self._waiting_cancels(alarm),
                flaws=alarm.flaws,
            )
            incident = self._take(self._ground.incidents[open_id], event)
        self._store_alarm(alarm, incident.id)
        return Outcome(incident)

    def _open_for(self, alarm: Alarm, subject: SubjectKey) -> Incident:
        is_known = alarm.terminal_id in self._ground.known_terminals
        unknown = () if is_known else ("unknown_terminal",)
        opening = Opening(
            id=IncidentId(self._clock.new_id()),
            incident_class=class_of(alarm.key),
            subject=subject[1],
            origin=alarm.origin,
            policy=self._policies[alarm.key],
            by=alarm.terminal_id,
            caller=Caller(alarm.terminal_id, alarm.alarm_id),
            is_test=alarm.is_test,
            cancel_ids=self._waiting_cancels(alarm),
            is_placeless=not is_known and alarm.place is None,
            flaws=(*alarm.flaws, *unknown),
        )
        return self._keep(None, open_incident(opening, self._now))

    def _waiting_cancels(self, alarm: Alarm) -> tuple[str, ...]:
        """Cancels that came before their alarm and wait for it.

        Terminals use ids again: a cancel of long ago, or of an earlier alarm of the same id, is not meant for this one.
        """
        if any(each.cancel_of is None for each in self._ground.seen[alarm.terminal_id, alarm.alarm_id]):
            return ()
        since = alarm.received_at - CANCEL_WAITS
        waiting = self._ground.cancels[alarm.terminal_id, alarm.alarm_id]
        return tuple(each.alarm_id for each in waiting if each.incident_id is None and each.received_at >= since)

    def _repeat(self, alarm: Alarm, exact: store.SeenAlarm) -> Outcome:
        incident = self._ground.incidents.get(exact.incident_id) if exact.incident_id else None
        if incident is None:
            self._effects.append((None, SendReceipt(alarm.terminal_id, alarm.alarm_id, 1, Stage.STORED)))
            return Outcome(None, is_repeat=True)
        event = ev.AlarmRepeated(alarm.terminal_id, alarm.alarm_id, is_cancel=alarm.cancel_of is not None)
        return Outcome(self._take(incident, event), is_repeat=True)

    def _cancel(self, alarm: Alarm, cancel_of: str) -> Outcome:
        """A cancel joins the incident of its alarm; one that came first waits for it."""
        meant = [each for each in self._ground.seen[alarm.terminal_id, cancel_of] if each.cancel_of is None]
        incident = self._ground.incidents.get(meant[-1].incident_id) if meant and meant[-1].incident_id else None
        if incident is None:
            self._store_alarm(alarm, None)
            self._effects.append((None, SendReceipt(alarm.terminal_id, alarm.alarm_id, 1, Stage.STORED)))
            return Outcome(None)
        incident = self._take(incident, ev.AlarmCancelled(alarm.terminal_id, cancel_of, alarm.alarm_id))
        self._store_alarm(alarm, incident.id)
        return Outcome(incident)

    def _store_alarm(self, alarm: Alarm, incident_id: IncidentId | None) -> None:
        is_known = alarm.terminal_id in self._ground.known_terminals
        self._alarms.append(record.AlarmRow(self._clock.new_id(), alarm, incident_id, is_known))
        seen = store.SeenAlarm(
            alarm.terminal_id, alarm.alarm_id, alarm.digest, incident_id, alarm.cancel_of, alarm.received_at
        )
        self._ground.remember(seen)

    def _happen(self, item: Happen) -> Outcome:
        incident = self._ground.incidents.get(item.incident_id)
        if incident is None:
            raise NotFound("no_such_incident", incident_id=item.incident_id)
        event = self._with_facts(incident, item.event)
        mark = len(self._effects)
        incident = self._take(incident, event)
        ignored = next(
            (
                str(effect.facts["reason"])
                for _, effect in self._effects[mark:]
                if isinstance(effect, Record) and effect.code == "ignored"
            ),
            None,
        )
        return Outcome(incident, ignored)

    def _with_facts(self, incident: Incident, event: ev.Event) -> ev.Event:
        """The event with what only the database knows: who is busy elsewhere, who went off duty meanwhile."""
        match event:
            case ev.WorkersChosen(picks=picks):
                free = tuple(pick for pick in picks if self._ground.is_free(pick.worker_id))
                return replace(event, picks=free, dropped=len(picks) - len(free))
            case ev.OperatorAssigned(pick=pick):
                self._expect_free(incident, pick.worker_id)
                return event
            case ev.OfferAccepted() | ev.Departed() | ev.Arrived():
                assignment = incident.assignment(event.assignment_id)
                holder = self._ground.holders.get(assignment.worker_id) if assignment else None
                return replace(event, is_busy=holder is not None and holder != incident.id)
            case _:
                return event

    def _expect_free(self, incident: Incident, worker_id: WorkerId) -> None:
        if worker_id not in self._ground.on_duty:
            raise Refused("worker_off_duty", worker_id=worker_id)
        holder = self._ground.holders.get(worker_id)
        if holder is not None and holder != incident.id:
            raise Refused("worker_busy", worker_id=worker_id, incident_id=holder)

    def _fire(self, incident_id: IncidentId) -> Outcome:
        incident = self._ground.incidents.get(incident_id)
        if incident is None:
            raise NotFound("no_such_incident", incident_id=incident_id)
        for _ in range(DUE_AT_ONCE_MAX):
            at = due_at(incident)
            if at is None or at > self._now:
                return Outcome(incident)
            event = due_event(incident)
            assert event is not None
            fired = self._take(incident, event)
            assert fired != incident, f"firing {ev.name_of(event)} changed nothing"  # invariant 2
            incident = fired
        return Outcome(incident)

    def _by_hand(self, item: OpenByHand) -> Outcome:
        if item.home_id and item.home_id not in self._ground.known_homes:
            raise NotFound("no_such_home", home_id=item.home_id)
        subject = care_of(item.home_id or home_by_hand(item))
        open_id = self._ground.open.get(subject)
        if open_id is not None:
            return Outcome(self._ground.incidents[open_id], ignored="already_open")
        opening = Opening(
            id=item.incident_id,
            incident_class=IncidentClass.CARE,
            subject=subject[1],
            origin=Origin.OPERATOR,
            policy=self._policies[item.kind],
            by=item.by,
        )
        return Outcome(self._keep(None, open_incident(opening, self._now)))

    def _by_service(self, item: RaiseByService) -> Outcome:
        key = (class_of(item.kind), item.subject)
        open_id = self._ground.open.get(key)
        if open_id is not None:
            incident = self._take(self._ground.incidents[open_id], ev.ServiceSaid(item.facts))
            return Outcome(incident, ignored="already_open")
        return Outcome(self._open_by_service(item.kind, item.subject, item.facts))

    def _open_by_service(self, kind: Key, subject: Subject, facts: dict[str, Any]) -> Incident:
        opening = Opening(
            id=IncidentId(self._clock.new_id()),
            incident_class=class_of(kind),
            subject=subject,
            origin=Origin.SERVICE,
            policy=self._policies[kind],
            by="service",
            facts=facts,
        )
        return self._keep(None, open_incident(opening, self._now))

    def _take(self, incident: Incident, event: ev.Event) -> Incident:
        return self._keep(incident, decide(incident, event, self._now))

    def _keep(self, before: Incident | None, decision: Decision) -> Incident:
        after, effects = decision
        broken = violations(before, after)
        assert not broken, f"incident {after.id}: {broken}"
        self._ground.keep(before, after)
        self._effects.extend((after, effect) for effect in effects)
        return after

    async def _raise_incidents(self, connection: Connection) -> None:
        """Open or join the incidents that decisions of this batch ask for, in the same commit."""
        wanted = [effect for _, effect in self._effects if isinstance(effect, RaiseIncident)]
        if not wanted:
            return
        keys = {_about_worker(effect) for effect in wanted}
        await self._ground.lock_open(connection, keys)
        for effect in wanted:
            if _about_worker(effect) not in self._ground.open:
                subject = Subject(SubjectKind.WORKER, effect.worker_id)
                self._open_by_service(effect.kind, subject, {})


def _about_worker(effect: RaiseIncident) -> SubjectKey:
    return class_of(effect.kind), Subject(SubjectKind.WORKER, effect.worker_id)
