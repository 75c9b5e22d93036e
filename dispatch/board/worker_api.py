"""What a worker's phone does. A worker sees and moves nothing but their own offers."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from dispatch import logs
from dispatch.board.action_api import happen, write_down
from dispatch.board.messages import Nothing
from dispatch.board.routes import WORKER, Call, Route, get, post, stream
from dispatch.board.streams import serve
from dispatch.board.worker_messages import Decline, Finish, ReportPlace, SetDuty, WorkerFrame, WorkerView
from dispatch.errors import BadInput, NotFound, Refused
from dispatch.incident import events as ev
from dispatch.incident.states import COMING, AssignmentState
from dispatch.model import AssignmentId, IncidentId
from dispatch.store import duty, viewing

log = logs.get("worker")

A = AssignmentState
DONE_ALREADY: dict[type[ev.Event], frozenset[AssignmentState]] = {
    ev.OfferSeen: frozenset({A.OFFERED, A.ACCEPTED, A.EN_ROUTE, A.ON_SCENE, A.FINISHED}),
    ev.OfferAccepted: frozenset({A.ACCEPTED, A.EN_ROUTE, A.ON_SCENE, A.FINISHED}),
    ev.OfferDeclined: frozenset({A.DECLINED}),
    ev.Departed: frozenset({A.EN_ROUTE, A.ON_SCENE, A.FINISHED}),
    ev.Arrived: frozenset({A.ON_SCENE, A.FINISHED}),
    ev.AssignmentFinished: frozenset({A.FINISHED}),
}
"""A phone that heard no answer taps again: where a tap has already brought its offer, it is no mistake."""


async def worker(call: Call) -> WorkerView:
    """All that the worker's page shows."""
    return await call.board.phones.view(call.worker_id)


async def worker_stream(call: Call) -> web.StreamResponse:
    """The whole view at each change. The page may say its position in text frames: `{"type": "place", ...}`."""
    phones, worker_id = call.board.phones, call.worker_id
    phone = await phones.join(worker_id)
    try:
        return await serve(call, phone, lambda text: _hear(call, text))
    finally:
        phones.leave(worker_id, phone)


def _hear(call: Call, text: str) -> None:
    """Take a position from a frame; anything else a page says is passed over."""
    try:
        said = msgspec.json.decode(text, type=dict[str, Any])
        if said.pop("type", None) == "place":
            call.board.positions.put(call.worker_id, msgspec.convert(said, ReportPlace))
    except (msgspec.MsgspecError, BadInput, RecursionError) as error:
        log.debug("frame_not_understood", worker_id=call.worker_id, reason=str(error))


async def place(call: Call, body: ReportPlace) -> Nothing:
    """Where the worker is."""
    call.board.positions.put(call.worker_id, body)
    return Nothing()


async def set_duty(call: Call, body: SetDuty) -> WorkerView:
    """Come on duty, or go off: not with an accepted call, and an open offer counts as declined."""
    deps, worker_id = call.board.deps, call.worker_id
    change = duty.go_on_duty if body.is_on_duty else duty.go_off_duty
    async with deps.database.connection() as connection:
        if not await change(connection, worker_id, deps.clock.now()):
            raise Refused("has_call")
    deps.on_duty(worker_id, is_on_duty=body.is_on_duty)
    call.board.feed.touch(worker_id)
    if not body.is_on_duty:
        await _decline_open_offer(call)
    return await worker(call)


async def _decline_open_offer(call: Call) -> None:
    deps, worker_id = call.board.deps, call.worker_id
    async with deps.database.connection() as connection:
        held = (await viewing.last_parts_of_workers(connection, [worker_id], deps.clock.now())).get(worker_id)
    if held is None:
        return
    offer_id, incident_id = held
    try:
        await happen(call, incident_id, ev.OfferDeclined(offer_id, worker_id, "off_duty_soon"))
    except Refused as refused:
        log.info("offer_ended_meanwhile", offer_id=offer_id, reason=refused.code)


# --- taps on an offer -------------------------------------------------------------------------------------------------


async def _own_offer(call: Call) -> tuple[AssignmentId, IncidentId, AssignmentState]:
    """The offer in the path. Raises NotFound (`not_yours`) if it is another worker's, or none at all."""
    offer_id = AssignmentId(call.id_in_path("offer_id", "not_yours"))
    async with call.board.deps.database.connection() as connection:
        found = await viewing.offer_by_id(connection, offer_id)
    if found is None or found[1] != call.worker_id:
        raise NotFound("not_yours", offer_id=offer_id)
    return offer_id, found[0], found[2]


async def _tap(call: Call, incident_id: IncidentId, event: ev.AssignmentEvent) -> bool:
    """Whether the tap moved something; False if an earlier one had. Raises Refused with the rules' reason."""
    try:
        await happen(call, incident_id, event)
    except Refused:
        _, _, state = await _own_offer(call)
        if state not in DONE_ALREADY[type(event)]:
            raise
        return False
    return True


async def seen(call: Call, _body: Nothing) -> WorkerView:
    """The offer stands on the screen."""
    offer_id, incident_id, _ = await _own_offer(call)
    await _tap(call, incident_id, ev.OfferSeen(offer_id, call.worker_id))
    return await worker(call)


async def accept(call: Call, _body: Nothing) -> WorkerView:
    """Say yes. Too late a yes becomes a new offer if the call still lacks somebody."""
    offer_id, incident_id, _ = await _own_offer(call)
    new_offer_id = AssignmentId(call.board.deps.clock.new_id())
    await _tap(call, incident_id, ev.OfferAccepted(offer_id, call.worker_id, new_offer_id))
    return await worker(call)


async def decline(call: Call, body: Decline) -> WorkerView:
    """Say no, or give an accepted call back."""
    offer_id, incident_id, _ = await _own_offer(call)
    await _tap(call, incident_id, ev.OfferDeclined(offer_id, call.worker_id, body.reason))
    return await worker(call)


async def depart(call: Call, _body: Nothing) -> WorkerView:
    """Set off."""
    offer_id, incident_id, _ = await _own_offer(call)
    await _tap(call, incident_id, ev.Departed(offer_id, call.worker_id))
    return await worker(call)


async def arrive(call: Call, _body: Nothing) -> WorkerView:
    """Stand at the door."""
    offer_id, incident_id, _ = await _own_offer(call)
    await _tap(call, incident_id, ev.Arrived(offer_id, call.worker_id))
    return await worker(call)


async def ok(call: Call, _body: Nothing) -> WorkerView:
    """All is well: the answer to the safety question, or unasked."""
    offer_id, incident_id, _ = await _own_offer(call)
    await happen(call, incident_id, ev.CheckedIn(offer_id, call.worker_id))
    return await worker(call)


async def finish(call: Call, body: Finish) -> WorkerView:
    """Done at the door, with an outcome."""
    offer_id, incident_id, _ = await _own_offer(call)
    moved = await _tap(call, incident_id, ev.AssignmentFinished(offer_id, call.worker_id, body.outcome))
    if moved and body.note:
        await write_down(call, incident_id, body.note)
    return await worker(call)


async def _expect_coming(call: Call) -> IncidentId:
    """The incident of an offer that this worker has accepted and not ended. Raises Refused (`not_accepted`)."""
    _, incident_id, state = await _own_offer(call)
    if state not in COMING:
        raise Refused("not_accepted", state=state.value)
    return incident_id


async def hands(call: Call, _body: Nothing) -> WorkerView:
    """Ask for one more worker."""
    await happen(call, await _expect_coming(call), ev.HandsWanted(call.worker_id))
    return await worker(call)


async def confirm_cancel(call: Call, _body: Nothing) -> WorkerView:
    """Confirm that the elder meant the cancel: the call closes."""
    await happen(call, await _expect_coming(call), ev.CancelConfirmed(call.worker_id))
    return await worker(call)


def _on(action: str, answered_by: Any, takes: type) -> Route:
    return post(f"/offers/{{offer_id}}/{action}", answered_by, takes, WorkerView, WORKER)


ROUTES = [
    get("/worker", worker, WorkerView, WORKER),
    stream("/worker/stream", worker_stream, WorkerFrame, WORKER),
    post("/worker/duty", set_duty, SetDuty, WorkerView, WORKER),
    post("/worker/place", place, ReportPlace, Nothing, WORKER),
    _on("seen", seen, Nothing),
    _on("accept", accept, Nothing),
    _on("decline", decline, Decline),
    _on("depart", depart, Nothing),
    _on("arrive", arrive, Nothing),
    _on("ok", ok, Nothing),
    _on("finish", finish, Finish),
    _on("hands", hands, Nothing),
    _on("confirm-cancel", confirm_cancel, Nothing),
]
