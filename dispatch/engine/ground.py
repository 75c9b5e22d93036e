"""What a batch stands on: everything it may decide about, locked first and read afterwards.

Homes, incidents and workers are locked in that order, ids ascending, so that two processes never wait for each other
in a circle; a statement sees nothing newer than its own start, so what is decided on is read only once it is locked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from dispatch.engine.items import FireDue, Happen, Item, OpenByHand, RaiseAlarm, RaiseByService
from dispatch.incident import events as ev
from dispatch.incident.states import LIVE, Incident, IncidentClass, Subject, SubjectKind
from dispatch.incident.triage import class_of
from dispatch.model import Alarm, HomeId, IncidentId, Place, TerminalId, WorkerId
from dispatch.store import incidents as store
from dispatch.store.database import Connection

SubjectKey = tuple[IncidentClass, Subject]


class Ground:
    """The present state of everything one batch touches; `keep` moves it on as decisions are made.

    `loaded` is how incidents stood before the batch, `incidents` how they stand now. `holders` says which incident
    occupies each worker asked about, `on_duty` which of them are on duty.
    """

    def __init__(self, items: Sequence[Item], shelf: store.PolicyShelf) -> None:
        self._items = items
        self._shelf = shelf
        self.loaded: dict[IncidentId, Incident] = {}
        self.incidents: dict[IncidentId, Incident] = {}
        self.open: dict[SubjectKey, IncidentId] = {}
        self.home_of: dict[TerminalId, HomeId] = {}
        self.known_terminals: set[TerminalId] = set()
        self.known_homes: set[HomeId] = set()
        self.seen: dict[tuple[TerminalId, str], list[store.SeenAlarm]] = defaultdict(list)
        self.cancels: dict[tuple[TerminalId, str], list[store.SeenAlarm]] = defaultdict(list)
        self.holders: dict[WorkerId, UUID] = {}
        self.on_duty: set[WorkerId] = set()

    async def lock(self, connection: Connection) -> None:
        """Lock and read everything the items may touch."""
        alarms = [item.alarm for item in self._items if isinstance(item, RaiseAlarm)]
        by_hand = [item for item in self._items if isinstance(item, OpenByHand)]
        if alarms:
            await self._lock_homes_of(connection, alarms)
            for seen in await store.alarms_like(connection, alarms):
                self.remember(seen)
        if by_hand:
            await self._lock_homes_by_hand(connection, by_hand)
        await self._lock_incidents(connection, alarms, by_hand)
        await self._lock_workers(connection)

    def stand_on_new_calls(self, homes: dict[TerminalId, HomeId]) -> None:
        """The items are new calls of these quiet homes: there is nothing to lock, and nothing more to read."""
        self.home_of, self.known_terminals = homes, set(homes)

    def stand_on(self, incidents: Sequence[Incident]) -> None:
        """The items are clocks of these incidents, which were read without locking them."""
        self._load(incidents)

    async def _lock_homes_of(self, connection: Connection, alarms: Sequence[Alarm]) -> None:
        terminals = {alarm.terminal_id for alarm in alarms}
        self.home_of = await store.lock_homes_of_terminals(connection, terminals)
        self.known_terminals = set(self.home_of)
        unknown = sorted(terminals - self.known_terminals)
        if unknown:
            made_up = {terminal: HomeId(f"terminal:{terminal}") for terminal in unknown}
            places = {alarm.terminal_id: alarm.place for alarm in alarms if alarm.place}
            homes = [(home, "", *_degrees(places.get(terminal))) for terminal, home in made_up.items()]
            await store.add_homes(connection, homes)
            self.home_of |= made_up

    async def _lock_homes_by_hand(self, connection: Connection, by_hand: Sequence[OpenByHand]) -> None:
        named = {item.home_id for item in by_hand if item.home_id}
        if named:
            self.known_homes = await store.lock_homes(connection, named)
        new = [item for item in by_hand if not item.home_id]
        if new:
            homes = [(home_by_hand(item), item.address, *_degrees(item.place)) for item in new]
            await store.add_homes(connection, homes)

    async def _lock_incidents(
        self, connection: Connection, alarms: Sequence[Alarm], by_hand: Sequence[OpenByHand]
    ) -> None:
        subjects = {care_of(self.home_of[alarm.terminal_id]) for alarm in alarms}
        subjects |= {care_of(item.home_id) for item in by_hand if item.home_id}
        by_service = [item for item in self._items if isinstance(item, RaiseByService)]
        subjects |= {(class_of(item.kind), item.subject) for item in by_service}
        ids = {item.incident_id for item in self._items if isinstance(item, Happen | FireDue)}
        seen = [*self.seen.values(), *self.cancels.values()]
        ids |= {each.incident_id for many in seen for each in many if each.incident_id}
        if subjects or ids:
            self._load(await store.lock_incidents(connection, self._shelf, subjects, ids))

    def _load(self, incidents: Sequence[Incident]) -> None:
        for incident in incidents:
            self.loaded[incident.id] = self.incidents[incident.id] = incident
            if incident.closed_at is None:
                self.open[incident.incident_class, incident.subject] = incident.id

    async def _lock_workers(self, connection: Connection) -> None:
        wanted: set[WorkerId] = set()
        for item in self._items:
            if isinstance(item, Happen):
                wanted |= self._workers_of(item)
        if wanted:
            self.on_duty, holders = await store.lock_workers(connection, wanted)
            self.holders |= holders

    def _workers_of(self, item: Happen) -> set[WorkerId]:
        match item.event:
            case ev.WorkersChosen(picks=picks):
                return {pick.worker_id for pick in picks}
            case ev.OperatorAssigned(pick=pick):
                return {pick.worker_id}
            case ev.OfferAccepted() | ev.Departed() | ev.Arrived():
                incident = self.incidents.get(item.incident_id)
                assignment = incident.assignment(item.event.assignment_id) if incident else None
                return {assignment.worker_id} if assignment else set()
            case _:
                return set()

    async def lock_open(self, connection: Connection, keys: set[SubjectKey]) -> None:
        """Lock and read further open incidents, of subjects that only a decision named."""
        self._load(await store.lock_incidents(connection, self._shelf, keys - self.open.keys(), ()))

    def remember(self, seen: store.SeenAlarm) -> None:
        """An alarm or cancel that later ones of the batch may repeat or mean."""
        self.seen[seen.terminal_id, seen.alarm_id].append(seen)
        if seen.cancel_of is not None:
            self.cancels[seen.terminal_id, seen.cancel_of].append(seen)

    def is_free(self, worker_id: WorkerId) -> bool:
        """Whether a worker asked about is on duty and no incident occupies them."""
        return worker_id in self.on_duty and worker_id not in self.holders

    def keep(self, before: Incident | None, after: Incident) -> None:
        """An incident as a decision left it."""
        self.incidents[after.id] = after
        if after.closed_at is None:
            self.open[after.incident_class, after.subject] = after.id
        elif self.open.get((after.incident_class, after.subject)) == after.id:
            del self.open[after.incident_class, after.subject]
        self._track_holders(before, after)

    def _track_holders(self, before: Incident | None, after: Incident) -> None:
        if before is not None and before.assignments is after.assignments:
            return
        for each in after.assignments:
            if each.state in LIVE:
                self.holders[each.worker_id] = after.id
        live = {each.worker_id for each in after.live()}
        for each in after.assignments:
            if each.worker_id not in live and self.holders.get(each.worker_id) == after.id:
                del self.holders[each.worker_id]


def care_of(home_id: HomeId) -> SubjectKey:
    """What a call from a home is filed under."""
    return IncidentClass.CARE, Subject(SubjectKind.HOME, home_id)


async def look_for_new_calls(connection: Connection, alarms: Sequence[Alarm]) -> dict[TerminalId, HomeId]:
    """The homes of those alarms that are new calls and touch nothing that is there already, by their terminal.

    A cancel is none, nor a test, nor one of several from the same home. Nothing is locked: whoever acts on it must be
    stopped by the unique indexes if it is no longer so.
    """
    looked = await store.look_at_terminals(connection, alarms)
    entangled = {alarm.terminal_id for alarm in alarms if alarm.cancel_of or alarm.is_test}
    entangled |= {terminal_id for terminal_id, _, is_entangled in looked if is_entangled}
    of_home = Counter(home_id for _, home_id, _ in looked)
    return {
        terminal_id: home_id
        for terminal_id, home_id, _ in looked
        if of_home[home_id] == 1 and terminal_id not in entangled
    }


def home_by_hand(item: OpenByHand) -> HomeId:
    """The home made up for a call opened at an address."""
    return HomeId(f"hand:{item.incident_id}")


def _degrees(place: Place | None) -> tuple[float | None, float | None]:
    return (place.lat, place.lon) if place else (None, None)
