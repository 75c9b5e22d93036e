"""Everything about one incident, for whoever opens it on the board."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from dispatch.board.cards import (
    candidate_card,
    contact_card,
    incident_card,
    mask_access,
    mask_contacts,
    mask_incident,
)
from dispatch.board.elder_api import A_DAY, READINGS_MAX, load_health
from dispatch.board.health_cards import cause_card, reading_cards
from dispatch.board.health_messages import CauseCard, ReadingCard
from dispatch.board.loading import card_of, load_background, workers_of
from dispatch.board.messages import Candidates, ContactCard, IncidentCard, IncidentDetail, LogLine, NoteCard
from dispatch.board.ranked import Ranking
from dispatch.board.routes import LOOKING, Call, get
from dispatch.errors import NotFound
from dispatch.incident.policy import Policy
from dispatch.incident.states import Incident, SubjectKind
from dispatch.model import Access, HomeId, IncidentId, WorkerId
from dispatch.store import viewing, vitals
from dispatch.store.database import Connection
from dispatch.store.health import causes_of_incident
from dispatch.store.incidents import read_incidents

Standings = dict[WorkerId, viewing.Standing]


def incident_id_of(call: Call) -> IncidentId:
    """The incident that the path names. Raises NotFound (`no_such_incident`) if that is no id."""
    return IncidentId(call.id_in_path("incident_id", "no_such_incident"))


async def incident(call: Call) -> IncidentDetail:
    """One incident with its people, timeline, notes, last ranking and readings."""
    incident_id = incident_id_of(call)
    async with call.board.deps.database.connection() as connection:
        found = await read_incidents(connection, call.board.deps.engine.shelf, [incident_id])
        if not found:
            raise NotFound("no_such_incident", incident_id=incident_id)
        deps = call.board.deps
        detail = await _detail(connection, found[0], deps.clock.now(), deps.time_zone)
    return _masked(detail) if call.is_masked else detail


async def _detail(connection: Connection, incident: Incident, now: datetime, time_zone: str) -> IncidentDetail:
    lines = await viewing.timeline(connection, incident.id)
    ranking = await viewing.last_ranking(connection, incident.id)
    ranked = {each.worker_id for each in ranking.candidates} if ranking else set()
    standings = await viewing.workers_by_id(connection, workers_of([incident]) | ranked | _named_in(lines))
    background = await load_background(connection, [incident], standings, now)
    home = background.homes.get(incident.subject.id)
    card, causes = incident_card(incident, background, now), await _causes(connection, incident)
    return IncidentDetail(
        card=card,
        access=home.access if home else Access(),
        contacts=await _contacts(connection, incident),
        timeline=tuple(_line(each, standings) for each in lines),
        notes=tuple(
            NoteCard(each.note_id, each.at, each.by, each.content)
            for each in await viewing.notes_of_incident(connection, incident.id)
        ),
        candidates=_candidates(ranking, ranking.ranked_at, standings) if ranking else None,
        readings=await _readings(connection, incident, causes, now),
        causes=causes,
        health=await load_health(connection, _elders(card), now, time_zone),
        policy_clocks=_clocks(incident.policy),
    )


def _named_in(lines: Iterable[viewing.Line]) -> set[WorkerId]:
    """Ids in a timeline that may be a worker's."""
    return {WorkerId(each.by) for each in lines} | {
        WorkerId(each.facts["worker_id"]) for each in lines if isinstance(each.facts.get("worker_id"), str)
    }


def _line(line: viewing.Line, standings: Standings) -> LogLine:
    ids = {line.by, line.facts.get("worker_id")}
    names = {str(each): standings[WorkerId(str(each))].worker.name for each in ids if each in standings}
    return LogLine(line.seq, line.at, line.code, line.by, line.state, line.level, line.facts, names)


async def _contacts(connection: Connection, incident: Incident) -> tuple[ContactCard, ...]:
    if incident.subject.kind is not SubjectKind.HOME:
        return ()
    contacts = await viewing.contacts_of_homes(connection, [incident.subject.id])
    return tuple(map(contact_card, contacts.get(HomeId(incident.subject.id), ())))


def _elders(card: IncidentCard) -> list[str]:
    """Whose readings may matter; a call about a worker is about nobody's."""
    return [each.elder_id for each in card.people] if card.subject_kind == SubjectKind.HOME else []


async def _causes(connection: Connection, incident: Incident) -> tuple[CauseCard, ...]:
    return tuple(cause_card(*each) for each in await causes_of_incident(connection, incident.id))


async def _readings(
    connection: Connection, incident: Incident, causes: tuple[CauseCard, ...], now: datetime
) -> tuple[ReadingCard, ...]:
    """Of the day before the call and since, by whatever hangs in the home."""
    if incident.subject.kind is not SubjectKind.HOME:
        return ()
    terminals = await viewing.terminals_of_homes(connection, [incident.subject.id])
    ids = terminals.get(HomeId(incident.subject.id), ())
    since, until = incident.opened_at - A_DAY, incident.closed_at or now
    return reading_cards(await vitals.of_terminals(connection, ids, since, until, READINGS_MAX), causes)


def _clocks(policy: Policy) -> dict[str, int]:
    values: dict[str, Any] = {name: getattr(policy, name) for name in policy.__struct_fields__ if name.endswith("_s")}
    return {name: value for name, value in values.items() if value is not None}


def _candidates(ranking: Ranking, ranked_at: datetime, standings: Mapping[WorkerId, viewing.Standing]) -> Candidates:
    cards = {each.worker_id: standings.get(each.worker_id) for each in ranking.candidates}
    return Candidates(
        ranked_at=ranked_at,
        candidates=tuple(
            candidate_card(each, card_of(standing) if (standing := cards[each.worker_id]) else None)
            for each in ranking.candidates
        ),
        counts=dict(ranking.counts),
    )


def _masked(detail: IncidentDetail) -> IncidentDetail:
    return replace(
        detail,
        card=mask_incident(detail.card),
        access=mask_access(detail.access),
        contacts=mask_contacts(detail.contacts),
    )


async def candidates(call: Call) -> Candidates:
    """Who could be at the door soonest, ranked as of now, with the reasons."""
    ranking = await call.board.deps.candidates(incident_id_of(call))
    async with call.board.deps.database.connection() as connection:
        standings = await viewing.workers_by_id(connection, [each.worker_id for each in ranking.candidates])
    return _candidates(ranking, call.board.deps.clock.now(), standings)


ROUTES = [
    get("/incidents/{incident_id}", incident, IncidentDetail, LOOKING),
    get("/incidents/{incident_id}/candidates", candidates, Candidates, LOOKING),
]
