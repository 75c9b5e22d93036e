"""The board as one aiohttp application: API, streams and pages. `make_app` is all that others need of this folder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from aiohttp import web

from dispatch import logs
from dispatch.board import action_api, board_api, elder_api, incident_api, openapi, session_api, worker_api
from dispatch.board.deps import Board, BoardDeps
from dispatch.board.feed import Feed
from dispatch.board.messages import Centre
from dispatch.board.outage import Outage
from dispatch.board.pages import Pages, guard
from dispatch.board.passwords import Passwords
from dispatch.board.phones import Phones
from dispatch.board.positions import Positions
from dispatch.board.refusals import refuse
from dispatch.board.routes import PREFIX, bind
from dispatch.board.sessions import Sessions
from dispatch.board.streams import OPEN, close_all
from dispatch.clock import Clock

BODY_MAX = 64 * 1024
KEEP_ALIVE_S = 30.0
REST_AFTER_FAULT_S = 1.0

ROUTES = [
    *session_api.ROUTES,
    *board_api.ROUTES,
    *incident_api.ROUTES,
    *action_api.ROUTES,
    *elder_api.ROUTES,
    *worker_api.ROUTES,
]

BOARD = web.AppKey("board", Board)
log = logs.get("board")


def make_board(deps: BoardDeps) -> Board:
    """The parts behind the handlers; the feed is rung after each commit of this process."""
    shelf = deps.engine.shelf
    phones = Phones(deps.database, deps.clock, shelf, deps.time_zone)

    def centre(parked: int, stations: int) -> Centre:
        watched, leads = deps.watched(), deps.is_leading()
        return Centre(deps.centre_id, deps.time_zone, leads, parked, stations, watched.troubles, watched.canary)

    feed = Feed(deps.database, deps.clock, shelf, phones, centre)
    deps.engine.listen(lambda _committed: feed.ring())
    outage = Outage(feed, deps.clock, deps.unstored)
    return Board(
        deps=deps,
        sessions=Sessions(deps.database, deps.clock, Passwords()),
        phones=phones,
        feed=feed,
        positions=Positions(deps.database, deps.clock, deps.on_place),
        outage=outage,
    )


def make_app(deps: BoardDeps) -> web.Application:
    """The application. Its feed and its writer of positions run from start-up to clean-up.

    `app[BOARD].show(worker_id)` has a worker's open pages brought up to date. Run it with a `shutdown_timeout` of a
    second or two and `keepalive_timeout=KEEP_ALIVE_S`.
    """
    board = make_board(deps)
    app = web.Application(middlewares=[refuse], client_max_size=BODY_MAX)
    app[BOARD] = board
    app[OPEN] = set()
    for route in ROUTES:
        app.router.add_route(route.method, PREFIX + route.path, bind(route, board))
    document = msgspec.json.encode(openapi.document(ROUTES))

    async def describe(_request: web.Request) -> web.Response:
        return web.Response(body=document, content_type="application/json")

    app.router.add_get(f"{PREFIX}/openapi.json", describe)
    Pages(board).add_routes(app)
    app.on_response_prepare.append(guard)
    app.on_shutdown.append(close_all)
    app.cleanup_ctx.append(_run_loops)
    return app


async def _run_loops(app: web.Application) -> AsyncIterator[None]:
    board = app[BOARD]
    loops = [
        asyncio.create_task(_keep_running(name, board.deps.clock, run), name=name)
        for name, run in (
            ("feed", board.feed.run),
            ("positions", board.positions.run),
            ("outage", board.outage.run),
        )
    ]
    yield
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)


async def _keep_running(name: str, clock: Clock, run: Callable[[], Awaitable[None]]) -> None:
    """A loop that met a fault nobody foresaw says so and goes on: boards must not go dark for one bad row."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("loop_failed", loop=name)
            await clock.sleep(REST_AFTER_FAULT_S)
