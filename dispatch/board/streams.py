"""One WebSocket: frames out as they come, whatever the page says in, and an end when the session ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from dispatch import logs
from dispatch.board.frames import Write
from dispatch.board.routes import Call
from dispatch.errors import Unreachable

MESSAGE_MAX = 16 * 1024
WAITING_MAX = 64 * 1024
PING_EVERY_S = 20.0
GOODBYE_WITHIN_S = 2.0
SESSION_CHECKED_EVERY_S = 60.0
SIGNED_OUT = 4401

log = logs.get("board")
OPEN = web.AppKey("open_streams", set[web.WebSocketResponse])


class Frames(Protocol):
    """Where frames come from: a board's viewer or a worker's phone."""

    def next(self) -> Awaitable[bytes]:
        """The next frame, as soon as there is one."""


async def serve(
    call: Call,
    frames: Frames,
    hear: Callable[[str], None] | None = None,
    attach: Callable[[Write], None] | None = None,
) -> web.WebSocketResponse:
    """Run a stream until either side ends it; `hear` gets what the page says, `attach` the way straight to the wire."""
    socket = web.WebSocketResponse(
        timeout=GOODBYE_WITHIN_S,
        heartbeat=PING_EVERY_S,
        max_msg_size=MESSAGE_MAX,
        compress=False,
        writer_limit=WAITING_MAX,
    )
    await socket.prepare(call.request)
    streams = call.request.app[OPEN]
    streams.add(socket)
    tasks = [asyncio.create_task(_send(socket, frames)), asyncio.create_task(_watch_session(call, socket))]
    if attach is not None:
        attach(_wire_of(call, socket))
    try:
        async for message in socket:
            if message.type is WSMsgType.TEXT and hear is not None:
                hear(message.data)
    finally:
        streams.discard(socket)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return socket


def _wire_of(call: Call, socket: web.WebSocketResponse) -> Write:
    """Past the response's own writer, which frames each text anew. Nothing is compressed, so its frames and ours can
    follow each other.
    """
    transport = call.request.transport

    def write(wire: bytes) -> bool:
        if transport is None or socket.closed or transport.is_closing() or transport.get_write_buffer_size():
            return False
        try:
            transport.write(wire)
        except (RuntimeError, OSError):  # it broke just now: the page's own task finds out, and nobody else
            return False
        return True

    return write


async def _watch_session(call: Call, socket: web.WebSocketResponse) -> None:
    while await _is_signed_in(call):
        await call.board.deps.clock.sleep(SESSION_CHECKED_EVERY_S)
    await socket.close(code=SIGNED_OUT, message=b"sign_in")


async def _send(socket: web.WebSocketResponse, frames: Frames) -> None:
    try:
        while True:
            await socket.send_frame(await frames.next(), WSMsgType.TEXT)
    except ConnectionError:
        pass  # the page has gone
    except Exception:
        log.exception("stream_failed")
    await socket.close()  # a stream that says nothing more must not look alive


async def _is_signed_in(call: Call) -> bool:
    try:
        return await call.board.sessions.person(call.person.token_hash) is not None
    except Unreachable:
        return True


async def close_all(app: web.Application) -> None:
    """Tell every page that we stop; it comes back to whoever takes over."""
    streams = app[OPEN]
    closing = [socket.close(code=WSCloseCode.GOING_AWAY, message=b"stopping") for socket in list(streams)]
    await asyncio.gather(*closing, return_exceptions=True)
