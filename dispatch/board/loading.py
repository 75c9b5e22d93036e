"""From the database to cards: a few statements for any number of incidents or workers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

import msgspec

from dispatch.board.cards import Background, incident_card, worker_card
from dispatch.board.messages import IncidentCard, WorkerCard
from dispatch.board.worker_cards import ENDED_SHOWN_FOR, Part, worker_view
from dispatch.board.worker_messages import WorkerView
from dispatch.incident.states import Incident, SubjectKind
from dispatch.model import AssignmentId, Contact, HomeId, IncidentId, WorkerId
from dispatch.store import viewing
from dispatch.store.database import Connection
from dispatch.store.incidents import PolicyShelf, read_incidents

AT_A_TIME = 100
"""Making this many cards keeps the loop busy for some 10 ms; presses must not wait longer for a board."""


class Cards(msgspec.Struct, frozen=True):
    """Some incidents, and every worker with a part in one of them."""

    incidents: dict[IncidentId, IncidentCard]
    workers: dict[WorkerId, WorkerCard]


async def load_cards(
    connection: Connection,
    shelf: PolicyShelf,
    incident_ids: Collection[IncidentId],
    now: datetime,
    worker_ids: Iterable[WorkerId] = (),
) -> Cards:
    """The cards of these incidents, of the workers in them, and of `worker_ids`."""
    cards = Cards({}, {})
    ids = sorted(incident_ids)
    for start in range(0, len(ids), AT_A_TIME):
        incidents = await read_incidents(connection, shelf, ids[start : start + AT_A_TIME])
        standings = await _standings(connection, workers_of(incidents))
        background = await load_background(connection, incidents, standings, now)
        cards.incidents.update((each.id, incident_card(each, background, now)) for each in incidents)
        cards.workers.update((worker_id, card_of(standing)) for worker_id, standing in standings.items())
    missing = set(worker_ids) - cards.workers.keys()
    standings = await _standings(connection, missing)
    cards.workers.update((worker_id, card_of(standing)) for worker_id, standing in standings.items())
    return cards


async def _standings(connection: Connection, ids: Collection[WorkerId]) -> dict[WorkerId, viewing.Standing]:
    return await viewing.workers_by_id(connection, ids) if ids else {}


def card_of(standing: viewing.Standing) -> WorkerCard:
    """The card of a worker as the database has them."""
    return worker_card(standing.worker, standing.state, standing.incident_id)


def workers_of(incidents: Iterable[Incident]) -> set[WorkerId]:
    """Everybody who has a part in these incidents, or whom one is about."""
    found: set[WorkerId] = set()
    for incident in incidents:
        found |= {each.worker_id for each in incident.assignments}
        if incident.subject.kind is SubjectKind.WORKER:
            found.add(WorkerId(incident.subject.id))
    return found


async def load_background(
    connection: Connection,
    incidents: Collection[Incident],
    standings: dict[WorkerId, viewing.Standing],
    now: datetime,
) -> Background:
    """What stands around these incidents; `standings` are their workers."""
    workers = {worker_id: standing.worker for worker_id, standing in standings.items()}
    if not incidents:
        return Background({}, {}, {}, workers)
    homes = homes_of(incidents)
    callers = {caller.terminal_id for each in incidents for caller in each.callers}
    return Background(
        numbers=await viewing.numbers_of_incidents(connection, [each.id for each in incidents]),
        homes=await viewing.homes_by_id(connection, homes),
        residents=await viewing.residents_of_homes(connection, homes, now.date(), callers),
        workers=workers,
    )


def homes_of(incidents: Iterable[Incident]) -> set[HomeId]:
    """The homes that incidents are about."""
    return {HomeId(each.subject.id) for each in incidents if each.subject.kind is SubjectKind.HOME}


async def load_views(
    connection: Connection, shelf: PolicyShelf, worker_ids: Collection[WorkerId], now: datetime, time_zone: str
) -> dict[WorkerId, WorkerView]:
    """What the phones of these workers show; an unknown worker is absent."""
    held = await viewing.last_parts_of_workers(connection, worker_ids, now - ENDED_SHOWN_FOR)
    ids = {incident_id for _, incident_id in held.values()}
    incidents = await read_incidents(connection, shelf, ids) if ids else []
    standings = await viewing.workers_by_id(connection, set(worker_ids) | workers_of(incidents))
    background = await load_background(connection, incidents, standings, now)
    contacts = await viewing.contacts_of_homes(connection, homes_of(incidents)) if incidents else {}
    graver = await viewing.graver_at(connection, ids) if ids else {}
    parts = _Parts({each.id: each for each in incidents}, background, contacts, graver)
    return {
        worker_id: worker_view(standings[worker_id].worker, parts.of(held.get(worker_id)), now, time_zone)
        for worker_id in worker_ids
        if worker_id in standings
    }


class _Parts(msgspec.Struct, frozen=True):
    """Everything that the parts of a batch of workers are made of."""

    incidents: dict[IncidentId, Incident]
    background: Background
    contacts: dict[HomeId, tuple[Contact, ...]]
    graver: dict[IncidentId, datetime]

    def of(self, held: tuple[AssignmentId, IncidentId] | None) -> Part | None:
        incident = self.incidents.get(held[1]) if held else None
        assignment = incident.assignment(held[0]) if incident and held else None
        if incident is None or assignment is None:
            return None
        contacts = self.contacts.get(HomeId(incident.subject.id), ())
        return Part(incident, assignment, self.background, contacts, self.graver.get(incident.id))
