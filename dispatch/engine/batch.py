"""One transaction over a batch of items: lock, read, decide each in order of arrival, save, log last.

Nothing is decided on what another process may change: homes, incidents and workers are locked (in that order, ids
ascending) before they are read. Every decision is checked against the invariants before it is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from dispatch.clock import Clock
from dispatch.engine import outgoing
from dispatch.engine.items import Committed, FireDue, Happen, Item, OpenByHand, Outcome, Part, RaiseAlarm
from dispatch.errors import DispatchError, NotFound, Refused, Unreachable
from dispatch.incident import events as ev
from dispatch.incident.decide import Decision, Opening, decide, due_at, due_event, open_incident
from dispatch.incident.effects import Effect, RaiseIncident, Record, SendReceipt, Stage
from dispatch.incident.invariants import violations
from dispatch.incident.policy import Policies
from dispatch.incident.states import (
    LIVE,
    Assignment,
    Caller,
    Incident,
    IncidentClass,
    Subject,
    SubjectKind,
)
from dispatch.incident.triage import class_of
from dispatch.model import Alarm, HomeId, IncidentId, Origin, TerminalId, WorkerId
from dispatch.store import incidents as store
from dispatch.store import outbox, record
from dispatch.store.database import Connection

SubjectKey = tuple[IncidentClass, Subject]
DUE_AT_ONCE_MAX = 20
"""Clocks of one incident fired in one batch; more than this means a rule that does not move its clock on."""


class Batch:
    """Decides and writes one batch inside a transaction that the caller opened and commits."""

    def __init__(self, items: Sequence[Item], clock: Clock, policies: Policies, shelf: store.PolicyShelf) -> None:
        self._items = items
        self._clock = clock
        self._policies = policies
        self._shelf = shelf
        self._now: datetime = clock.now()
        self._loaded: dict[IncidentId, Incident] = {}
        self._incidents: dict[IncidentId, Incident] = {}
        self._open: dict[SubjectKey, IncidentId] = {}
        self._home_of: dict[TerminalId, HomeId] = {}
        self._known_terminals: set[TerminalId] = set()
        self._known_homes: set[HomeId] = set()
        self._seen: dict[tuple[TerminalId, str], list[store.SeenAlarm]] = defaultdict(list)
        self._cancels: dict[tuple[TerminalId, str], list[store.SeenAlarm]] = defaultdict(list)
        self._holders: dict[WorkerId, UUID] = {}
        self._on_duty: set[WorkerId] = set()
        self._effects: list[tuple[Incident | None, Effect]] = []
        self._alarms: list[record.AlarmRow] = []

    async def run(self, connection: Connection) -> tuple[list[Outcome | DispatchError], Committed]:
        """Do everything up to the commit. An item refused by itself comes back as its error; the others go on."""
        await self._lock(connection)
        self._now = self._clock.now()  # after the locks: clocks run from when it is decided
        outcomes = [self._try(item) for item in self._items]
        await self._raise_incidents(connection)
        messages = await self._save(connection)
        return outcomes, Committed(self._now, self._parts(), messages, len(self._items), 0.0)

    # --- locking and reading ------------------------------------------------------------------------------------

    async def _lock(self, connection: Connection) -> None:
        alarms = [item.alarm for item in self._items if isinstance(item, RaiseAlarm)]
        by_hand = [item for item in self._items if isinstance(item, OpenByHand)]
        if alarms:
            await self._lock_homes_of(connection, alarms)
            for seen in await store.alarms_like(connection, alarms):
                self._remember(seen)
        if by_hand:
            await self._lock_homes_by_hand(connection, by_hand)
        await self._lock_incidents(connection, alarms, by_hand)
        await self._lock_workers(connection)

    async def _lock_homes_of(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        terminals = {alarm.terminal_id for alarm in alarms}
        self._home_of = await store.lock_homes_of_terminals(connection, terminals)
        self._known_terminals = set(self._home_of)
        unknown = sorted(terminals - self._known_terminals)
        if unknown:
            made_up = {terminal: HomeId(f"terminal:{terminal}") for terminal in unknown}
            await store.add_homes(connection, [(home, "", None, None) for home in made_up.values()])
            self._home_of |= made_up

    async def _lock_homes_by_hand(self, connection: Connection, by_hand: Sequence[OpenByHand]) -> None:
        named = {item.home_id for item in by_hand if item.home_id}
        if named:
            self._known_homes = await store.lock_homes(connection, named)
        new = [item for item in by_hand if not item.home_id]
        if new:
            homes = [(_home_by_hand(item), item.address, *_degrees(item)) for item in new]
            await store.add_homes(connection, homes)

    async def _lock_incidents(
        self, connection: Connection, alarms: Sequence[Alarm], by_hand: Sequence[OpenByHand]
    ) -> None:
        subjects = {_care_of(self._home_of[alarm.terminal_id]) for alarm in alarms}
        subjects |= {_care_of(item.home_id) for item in by_hand if item.home_id}
        ids = {item.incident_id for item in self._items if isinstance(item, Happen | FireDue)}
        seen = [*self._seen.values(), *self._cancels.values()]
        ids |= {each.incident_id for many in seen for each in many if each.incident_id}
        if subjects or ids:
            self._load(await store.lock_incidents(connection, self._shelf, subjects, ids))

    def _load(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            self._loaded[incident.id] = self._incidents[incident.id] = incident
            if incident.closed_at is None:
                self._open[incident.incident_class, incident.subject] = incident.id

    async def _lock_workers(self, connection: Connection) -> None:
        wanted: set[WorkerId] = set()
        for item in self._items:
            if isinstance(item, Happen):
                wanted |= self._workers_of(item)
        if wanted:
            self._on_duty, holders = await store.lock_workers(connection, wanted)
            self._holders |= holders

    def _workers_of(self, item: Happen) -> set[WorkerId]:
        match item.event:
            case ev.WorkersChosen(picks=picks):
                return {pick.worker_id for pick in picks}
            case ev.OperatorAssigned(pick=pick):
                return {pick.worker_id}
            case ev.OfferAccepted() | ev.Departed() | ev.Arrived():
                incident = self._incidents.get(item.incident_id)
                assignment = incident.assignment(item.event.assignment_id) if incident else None
                return {assignment.worker_id} if assignment else set()
            case _:
                return set()

    # --- deciding -----------------------------------------------------------------------------------------------

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
        except DispatchError as error:
            return error

    def _alarm(self, alarm: Alarm) -> Outcome:
        same = self._seen[alarm.terminal_id, alarm.alarm_id]
        exact = next((each for each in same if each.digest == alarm.digest), None)
        if exact is not None:
            return self._repeat(alarm, exact)
        if alarm.cancel_of is not None:
            return self._cancel(alarm, alarm.cancel_of)
        if same:
            alarm = replace(alarm, flaws=(*alarm.flaws, "id_reused"))
        subject = _care_of(self._home_of[alarm.terminal_id])
        open_id = self._open.get(subject)
        if alarm.is_test or open_id is None:
            incident = self._open_for(alarm, subject)
        else:
            event = ev.AlarmRaised(
                alarm.terminal_id,
                alarm.alarm_id,
                alarm.key,
                self._policies[alarm.key],
                is_cancelled=self._is_cancelled(alarm),
                flaws=alarm.flaws,
            )
            incident = self._take(self._incidents[open_id], event)
        self._store_alarm(alarm, incident.id)
        return Outcome(incident)

    def _open_for(self, alarm: Alarm, subject: SubjectKey) -> Incident:
        unknown = () if alarm.terminal_id in self._known_terminals else ("unknown_terminal",)
        opening = Opening(
            id=IncidentId(self._clock.new_id()),
            incident_class=class_of(alarm.key),
            subject=subject[1],
            origin=alarm.origin,
            policy=self._policies[alarm.key],
            by=alarm.terminal_id,
            caller=Caller(alarm.terminal_id, alarm.alarm_id),
            is_test=alarm.is_test,
            is_cancelled=self._is_cancelled(alarm),
            flaws=(*alarm.flaws, *unknown),
        )
        return self._keep(None, open_incident(opening, self._now))

    def _is_cancelled(self, alarm: Alarm) -> bool:
        return bool(self._cancels[alarm.terminal_id, alarm.alarm_id])

    def _repeat(self, alarm: Alarm, exact: store.SeenAlarm) -> Outcome:
        incident = self._incidents.get(exact.incident_id) if exact.incident_id else None
        if incident is None:
            self._effects.append((None, SendReceipt(alarm.terminal_id, alarm.alarm_id, 1, Stage.STORED)))
            return Outcome(None, is_repeat=True)
        event: ev.IncidentEvent = ev.AlarmRepeated(alarm.terminal_id, alarm.alarm_id)
        return Outcome(self._take(incident, event), is_repeat=True)

    def _cancel(self, alarm: Alarm, cancel_of: str) -> Outcome:
        """A cancel joins the incident of its alarm; one that came first waits for it."""
        meant = [each for each in self._seen[alarm.terminal_id, cancel_of] if each.cancel_of is None]
        incident = self._incidents.get(meant[-1].incident_id) if meant and meant[-1].incident_id else None
        if incident is None:
            self._store_alarm(alarm, None)
            self._effects.append((None, SendReceipt(alarm.terminal_id, alarm.alarm_id, 1, Stage.STORED)))
            return Outcome(None)
        incident = self._take(incident, ev.AlarmCancelled(alarm.terminal_id, cancel_of, alarm.alarm_id))
        self._store_alarm(alarm, incident.id)
        return Outcome(incident)

    def _store_alarm(self, alarm: Alarm, incident_id: IncidentId | None) -> None:
        is_known = alarm.terminal_id in self._known_terminals
        self._alarms.append(record.AlarmRow(self._clock.new_id(), alarm, incident_id, is_known))
        seen = store.SeenAlarm(alarm.terminal_id, alarm.alarm_id, alarm.digest, incident_id, alarm.cancel_of)
        self._remember(seen)

    def _remember(self, seen: store.SeenAlarm) -> None:
        self._seen[seen.terminal_id, seen.alarm_id].append(seen)
        if seen.cancel_of is not None:
            self._cancels[seen.terminal_id, seen.cancel_of].append(seen)

    def _happen(self, item: Happen) -> Outcome:
        incident = self._incidents.get(item.incident_id)
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
                free = tuple(p for p in picks if p.worker_id not in self._holders and p.worker_id in self._on_duty)
                return replace(event, picks=free, dropped=len(picks) - len(free))
            case ev.OperatorAssigned(pick=pick):
                self._expect_free(incident, pick.worker_id)
                return event
            case ev.OfferAccepted() | ev.Departed() | ev.Arrived():
                assignment = incident.assignment(event.assignment_id)
                holder = self._holders.get(assignment.worker_id) if assignment else None
                return replace(event, is_busy=holder is not None and holder != incident.id)
            case _:
                return event

    def _expect_free(self, incident: Incident, worker_id: WorkerId) -> None:
        if worker_id not in self._on_duty:
            raise Refused("worker_off_duty", worker_id=worker_id)
        holder = self._holders.get(worker_id)
        if holder is not None and holder != incident.id:
            raise Refused("worker_busy", worker_id=worker_id, incident_id=holder)

    def _fire(self, incident_id: IncidentId) -> Outcome:
        incident = self._incidents.get(incident_id)
        if incident is None:
            raise NotFound("no_such_incident", incident_id=incident_id)
        for _ in range(DUE_AT_ONCE_MAX):
            at, event = due_at(incident), due_event(incident)
            if at is None or event is None or at > self._now:
                return Outcome(incident)
            fired = self._take(incident, event)
            assert fired != incident, f"firing {ev.name_of(event)} changed nothing"  # invariant 2
            incident = fired
        return Outcome(incident)

    def _by_hand(self, item: OpenByHand) -> Outcome:
        if item.home_id and item.home_id not in self._known_homes:
            raise NotFound("no_such_home", home_id=item.home_id)
        subject = _care_of(item.home_id or _home_by_hand(item))
        open_id = self._open.get(subject)
        if open_id is not None:
            return Outcome(self._incidents[open_id], ignored="already_open")
        opening = Opening(
            id=item.incident_id,
            incident_class=IncidentClass.CARE,
            subject=subject[1],
            origin=Origin.OPERATOR,
            policy=self._policies[item.kind],
            by=item.by,
        )
        return Outcome(self._keep(None, open_incident(opening, self._now)))

    def _take(self, incident: Incident, event: ev.Event) -> Incident:
        return self._keep(incident, decide(incident, event, self._now))

    def _keep(self, before: Incident | None, decision: Decision) -> Incident:
        after, effects = decision
        broken = violations(before, after)
        assert not broken, f"incident {after.id}: {broken}"
        self._incidents[after.id] = after
        if after.closed_at is None:
            self._open[after.incident_class, after.subject] = after.id
        elif self._open.get((after.incident_class, after.subject)) == after.id:
            del self._open[after.incident_class, after.subject]
        self._track_holders(before, after)
        self._effects.extend((after, effect) for effect in effects)
        return after

    def _track_holders(self, before: Incident | None, after: Incident) -> None:
        if before is not None and before.assignments is after.assignments:
            return
        for each in after.assignments:
            if each.state in LIVE:
                self._holders[each.worker_id] = after.id
        live = {each.worker_id for each in after.live()}
        for each in after.assignments:
            if each.worker_id not in live and self._holders.get(each.worker_id) == after.id:
                del self._holders[each.worker_id]

    async def _raise_incidents(self, connection: Connection) -> None:
        """Open or join the incidents that decisions of this batch ask for, in the same commit."""
        wanted = [effect for _, effect in self._effects if isinstance(effect, RaiseIncident)]
        if not wanted:
            return
        keys = {_about_worker(effect) for effect in wanted}
        self._load(await store.lock_incidents(connection, self._shelf, keys - self._open.keys(), ()))
        for effect in wanted:
            key = _about_worker(effect)
            if key not in self._open:
                opening = Opening(
                    id=IncidentId(self._clock.new_id()),
                    incident_class=key[0],
                    subject=key[1],
                    origin=effect.origin,
                    policy=self._policies[effect.kind],
                    by="rules",
                )
                self._keep(None, open_incident(opening, self._now))

    # --- writing ------------------------------------------------------------------------------------------------

    def _parts(self) -> list[Part]:
        by_id: dict[IncidentId, list[Effect]] = defaultdict(list)
        for incident, effect in self._effects:
            if incident is not None:
                by_id[incident.id].append(effect)
        return [
            Part(self._loaded.get(incident_id), self._incidents[incident_id], tuple(effects))
            for incident_id, effects in by_id.items()
        ]

    async def _save(self, connection: Connection) -> list[outbox.OutboxMessage]:
        await self._save_incidents(connection)
        if self._alarms:
            await record.insert_alarms(connection, self._alarms)
        await self._save_beside(connection)
        messages = await self._save_messages(connection)
        rows = [
            row
            for incident, effect in self._effects
            if incident is not None and (row := outgoing.log_row(incident, effect, self._now))
        ]
        if rows:
            await record.append_log(connection, rows)
        return messages

    async def _save_incidents(self, connection: Connection) -> None:
        changed = {key: each for key, each in self._incidents.items() if each != self._loaded.get(key)}
        new: list[Incident] = []
        old: list[Incident] = []
        for key, each in changed.items():
            versioned = self._incidents[key] = replace(each, version=each.version + 1)
            (old if key in self._loaded else new).append(versioned)
        if new:
            await store.insert_incidents(connection, new)
        if old and await store.update_incidents(connection, old) != len(old):
            raise Unreachable("version_conflict", incidents=len(old))
        assignments = [
            (incident.id, assignment)
            for incident in (*new, *old)
            for assignment in _changed_assignments(self._loaded.get(incident.id), incident)
        ]
        if assignments:
            await store.save_assignments(connection, assignments)

    async def _save_beside(self, connection: Connection) -> None:
        happened = [item for item in self._items if isinstance(item, Happen) and item.incident_id in self._incidents]
        rankings = [(item.incident_id, item.ranking) for item in happened if item.ranking]
        notes = [(item.incident_id, item.note) for item in happened if item.note]
        if rankings:
            await record.insert_rankings(connection, rankings)
        if notes:
            await record.insert_notes(connection, notes)

    async def _save_messages(self, connection: Connection) -> list[outbox.OutboxMessage]:
        messages = [
            message
            for incident, effect in self._effects
            if (message := outgoing.message(incident, effect, self._now, self._clock))
        ]
        if offers := outgoing.withdrawn_offers(self._effects):
            await outbox.void_offers(connection, offers, "withdrawn", self._now)
        if messages:
            await outbox.add(connection, messages)
        return messages


def _care_of(home_id: HomeId) -> SubjectKey:
    return IncidentClass.CARE, Subject(SubjectKind.HOME, home_id)


def _about_worker(effect: RaiseIncident) -> SubjectKey:
    return class_of(effect.kind), Subject(SubjectKind.WORKER, effect.worker_id)


def _home_by_hand(item: OpenByHand) -> HomeId:
    return HomeId(f"hand:{item.incident_id}")


def _degrees(item: OpenByHand) -> tuple[float | None, float | None]:
    return (item.place.lat, item.place.lon) if item.place else (None, None)


def _changed_assignments(before: Incident | None, after: Incident) -> list[Assignment]:
    known = {each.id: each for each in before.assignments} if before else {}
    return [each for each in after.assignments if known.get(each.id) != each]
