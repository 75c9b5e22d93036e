"""What operators look at: the board, its stream, workers, and the search for a home."""

from __future__ import annotations

from aiohttp import web

from dispatch.board.cards import mask_worker, person_card
from dispatch.board.loading import card_of
from dispatch.board.messages import BoardFrame, BoardSnapshot, Found, WorkerCard
from dispatch.board.refusals import Unacceptable
from dispatch.board.routes import ACTING, LOOKING, Call, get, stream
from dispatch.board.streams import serve
from dispatch.store import viewing

FOUND_MAX = 20


async def board(call: Call) -> bytes:
    """All open incidents, those closed in the last 30 minutes, and all workers."""
    return await call.board.feed.board(is_masked=call.is_masked)


async def board_stream(call: Call) -> web.StreamResponse:
    """Every change as it happens, from entry `since` on; without it, or too far back, a snapshot comes first."""
    since = call.query("since")
    if since and not (since.isascii() and since.isdigit() and len(since) < 19):
        raise Unacceptable(422, "bad_value", name="since")
    feed = call.board.feed
    viewer = await feed.join(int(since) if since else None, is_masked=call.is_masked)
    try:
        return await serve(call, viewer, attach=viewer.attach)
    finally:
        feed.leave(viewer)


async def workers(call: Call) -> list[WorkerCard]:
    """Every worker."""
    async with call.board.deps.database.connection() as connection:
        cards = [card_of(standing) for standing in await viewing.all_workers(connection)]
    return list(map(mask_worker, cards)) if call.is_masked else cards


async def find(call: Call) -> list[Found]:
    """At most 20 homes by a resident's name, a terminal, a telephone number or an address, best first."""
    text, now = call.query("q").strip(), call.board.deps.clock.now()
    if not text:
        return []
    async with call.board.deps.database.connection() as connection:
        hits = await viewing.find_homes(connection, text, FOUND_MAX)
        ids = [home_id for home_id, _ in hits]
        homes = await viewing.homes_by_id(connection, ids)
        residents = await viewing.residents_of_homes(connection, ids, now.date())
        terminals = await viewing.terminals_of_homes(connection, ids)
        open_calls = await viewing.open_calls_of_homes(connection, ids)
    return [
        Found(
            home_id=home_id,
            by=by,
            address=homes[home_id].address,
            place=homes[home_id].place,
            people=tuple(person_card(elder, now) for elder in residents.get(home_id, ())),
            terminal_ids=terminals.get(home_id, ()),
            open_incident_id=open_calls.get(home_id),
        )
        for home_id, by in hits
        if home_id in homes
    ]


ROUTES = [
    get("/board", board, BoardSnapshot, LOOKING),
    stream("/stream", board_stream, BoardFrame, LOOKING, since="the last log entry seen"),
    get("/workers", workers, list[WorkerCard], LOOKING),
    get("/find", find, list[Found], ACTING, q="what to look for"),
]
