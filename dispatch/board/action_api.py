"""What operators do to an incident. Each action is one event for the engine; what moved nothing is a refusal."""

from __future__ import annotations

from typing import Any

from dispatch.board.incident_api import incident_id_of
from dispatch.board.loading import load_cards
from dispatch.board.messages import (
    Acted,
    AssignWorker,
    CloseIncident,
    IncidentCard,
    Nothing,
    OpenByHand,
    RaiseKind,
    ReleaseWorker,
    WriteNote,
)
from dispatch.board.refusals import Unacceptable
from dispatch.board.routes import ACTING, Call, Route, post
from dispatch.errors import Refused
from dispatch.incident import events as ev
from dispatch.incident.states import Incident
from dispatch.model import AssignmentId, HomeId, IncidentId, Key, Place, WorkerId
from dispatch.store.record import NoteRow


async def card_now(call: Call, incident_id: IncidentId) -> IncidentCard:
    """An incident as the board shows it now."""
    deps = call.board.deps
    async with deps.database.connection() as connection:
        cards = await load_cards(connection, deps.engine.shelf, [incident_id], deps.clock.now())
    return cards.incidents[incident_id]


async def happen(call: Call, incident_id: IncidentId, event: ev.Event, note: NoteRow | None = None) -> Incident:
    """Hand an event to the engine. Raises Refused with the rules' reason if nothing moved."""
    outcome = await call.board.deps.engine.happen(incident_id, event, note=note)
    assert outcome.incident is not None
    if outcome.ignored is not None:
        raise Refused(outcome.ignored, **facts_of(outcome.ignored, outcome.incident))
    return outcome.incident


def facts_of(reason: str, incident: Incident) -> dict[str, Any]:
    """What a sentence about this refusal needs to know."""
    if reason == "already_answered":
        return {"by": incident.answered_by, "at": incident.answered_at}
    if reason == "incident_closed":
        return {"at": incident.closed_at, "outcome": incident.outcome}
    if reason == "workers_still_out":
        return {"worker_ids": [each.worker_id for each in incident.coming()]}
    if reason == "taken_by_other":
        return {"worker_ids": [each.worker_id for each in incident.coming()]}
    return {}


def note_row(call: Call, content: str) -> NoteRow:
    """A note by whoever asks, as of now."""
    clock = call.board.deps.clock
    return NoteRow(clock.new_id(), clock.now(), call.person.by, content)


async def _act(call: Call, event: ev.Event) -> Acted:
    incident_id = incident_id_of(call)
    await happen(call, incident_id, event)
    return Acted(await card_now(call, incident_id))


async def write_down(call: Call, incident_id: IncidentId, content: str) -> None:
    """Keep a note, and say in the log that there is one."""
    row = note_row(call, content)
    await happen(call, incident_id, ev.Noted(row.by, row.note_id), row)


# --- the actions ------------------------------------------------------------------------------------------------------


async def answer(call: Call, _body: Nothing) -> Acted:
    """Take the call: a person at the centre deals with it. Whoever has it already may say so again."""
    incident_id = incident_id_of(call)
    try:
        await happen(call, incident_id, ev.OperatorAnswered(call.person.by))
    except Refused as refused:
        if refused.code != "already_answered" or refused.params["by"] != call.person.by:
            raise
    return Acted(await card_now(call, incident_id))


async def assign(call: Call, body: AssignWorker) -> Acted:
    """Offer the call to one worker of the operator's choice."""
    incident_id = incident_id_of(call)
    pick = await call.board.deps.pick_by_hand(incident_id, WorkerId(body.worker_id))
    await happen(call, incident_id, ev.OperatorAssigned(call.person.by, pick))
    return Acted(await card_now(call, incident_id))


async def release(call: Call, body: ReleaseWorker) -> Acted:
    """Take the call off a worker."""
    return await _act(call, ev.Released(AssignmentId(body.offer_id), call.person.by))


async def escalate(call: Call, _body: Nothing) -> Acted:
    """Take the next step of the ladder now."""
    return await _act(call, ev.OperatorEscalated(call.person.by))


async def hands(call: Call, _body: Nothing) -> Acted:
    """Ask for one more worker at the door."""
    return await _act(call, ev.HandsWanted(call.person.by))


async def raise_kind(call: Call, body: RaiseKind) -> Acted:
    """Treat the call as a graver kind from now on."""
    kind = Key(body.kind)
    policy = call.board.deps.engine.policies[kind]
    return await _act(call, ev.BandRaised(call.person.by, policy.band, kind, policy))


async def note(call: Call, body: WriteNote) -> Acted:
    """Write something down, on an open call or a closed one."""
    incident_id = incident_id_of(call)
    await write_down(call, incident_id, body.content)
    return Acted(await card_now(call, incident_id))


async def close(call: Call, body: CloseIncident) -> Acted:
    """Close the call with its outcome; not while a worker is on the way or there."""
    incident_id = incident_id_of(call)
    await happen(call, incident_id, ev.Closed(call.person.by, body.outcome))
    if body.note:
        await write_down(call, incident_id, body.note)
    return Acted(await card_now(call, incident_id))


async def confirm_cancel(call: Call, _body: Nothing) -> Acted:
    """Confirm that the cancel was meant: the call closes and every worker is told."""
    return await _act(call, ev.CancelConfirmed(call.person.by))


async def open_by_hand(call: Call, body: OpenByHand) -> Acted:
    """Open a call for a registered home, or for an address nobody registered."""
    address = (body.address or "").strip()
    if (body.home_id is None) == (not address):
        raise Unacceptable(422, "home_or_address")
    place = Place(body.place.lat, body.place.lon, body.place.accuracy_m) if body.place else None
    home_id = HomeId(body.home_id) if body.home_id is not None else None
    outcome = await call.board.deps.engine.open_by_hand(
        call.person.by, Key(body.kind), home_id=home_id, address=address, place=place
    )
    assert outcome.incident is not None
    incident_id = outcome.incident.id
    if outcome.ignored is not None:
        raise Refused(outcome.ignored, incident_id=incident_id)
    if body.note:
        await write_down(call, incident_id, body.note)
    return Acted(await card_now(call, incident_id))


def _on(action: str, answered_by: Any, takes: type) -> Route:
    return post(f"/incidents/{{incident_id}}/{action}", answered_by, takes, Acted, ACTING)


ROUTES = [
    post("/incidents", open_by_hand, OpenByHand, Acted, ACTING),
    _on("answer", answer, Nothing),
    _on("assign", assign, AssignWorker),
    _on("release", release, ReleaseWorker),
    _on("escalate", escalate, Nothing),
    _on("hands", hands, Nothing),
    _on("raise", raise_kind, RaiseKind),
    _on("note", note, WriteNote),
    _on("close", close, CloseIncident),
    _on("confirm-cancel", confirm_cancel, Nothing),
]
