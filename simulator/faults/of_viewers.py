"""Boards: one that reads while commits race each other, and a hundred that stop reading."""

from __future__ import annotations

import asyncio
import socket
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import asyncpg
import msgspec

from dispatch.board.messages import BoardFrame, Delta, Snapshot
from dispatch.clock import limit
from dispatch.errors import Unreachable
from simulator.faults.fault import Fault, Size
from simulator.faults.ground import Ground, Setting, within
from simulator.tickets import let_in_operator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

COOKIE = "onekey_session"
NEW = "SELECT seq FROM incident_log WHERE seq > $1 ORDER BY seq"
LAST = "SELECT max(seq) FROM incident_log"
ALL = "SELECT seq FROM incident_log ORDER BY seq"


async def _signed_in(on: Ground) -> str:
    """The cookie of an operator's session."""
    connection = await asyncpg.connect(on.dsn, timeout=10)
    try:
        token = await let_in_operator(connection, on.clock, f"op-{on.clock.new_id().hex[-6:]}", "correct horse")
    finally:
        await connection.close(timeout=5)
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{on.one.url}/enter/{token}", allow_redirects=False) as answer,
    ):
        if COOKIE not in answer.cookies:
            raise Unreachable("not_let_in", status=answer.status)
        return answer.cookies[COOKIE].value


# --- reading while commits race --------------------------------------------------------------------------------------


async def _begin_to_read(on: Ground) -> None:
    """One reads the log from where it was, as a board does; one is a board."""
    cookie = await _signed_in(on)
    on.notes |= {"_read": [], "_jumps": [], "_board_seq": 0}
    on.watching = [asyncio.create_task(_read_log(on)), asyncio.create_task(_look_at_board(on, cookie))]


async def _read_log(on: Ground) -> None:
    """Ask for what is new, again and again: an entry committed after a later one would never be seen."""
    connection = await asyncpg.connect(on.dsn, timeout=10)
    seen: list[int] = on.notes["_read"]
    try:
        while True:
            seen += [row["seq"] for row in await connection.fetch(NEW, seen[-1] if seen else 0)]
            await on.clock.sleep(0)
    finally:
        await connection.close(timeout=5)


async def _frames(on: Ground, cookie: str) -> AsyncIterator[Snapshot | Delta]:
    async with (
        aiohttp.ClientSession(cookies={COOKIE: cookie}, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session,
        session.ws_connect(f"{on.one.url}/api/v1/stream", max_msg_size=0) as stream,
    ):
        async for message in stream:
            frame = msgspec.json.decode(message.data, type=BoardFrame)
            if isinstance(frame, Snapshot | Delta):
                yield frame


async def _look_at_board(on: Ground, cookie: str) -> None:
    async for frame in _frames(on, cookie):
        if isinstance(frame, Delta):
            if frame.follows != on.notes["_board_seq"]:
                on.notes["_jumps"].append((on.notes["_board_seq"], frame.follows))
            on.notes["_board_seq"] = frame.seq
        else:
            on.notes["_board_seq"] = frame.board.seq


async def _saw_everything_in_order(on: Ground) -> list[str]:
    read: list[int] = on.notes["_read"]
    there = [row["seq"] for row in await on.fetch(ALL)]

    async def have_caught_up() -> bool:
        last = await on.number(LAST)
        return bool(read) and read[-1] == last == on.notes["_board_seq"]

    wrong = []
    try:
        await within(10, on.clock, have_caught_up)
    except Unreachable:
        wrong.append("the board or the reader never came to the end of the log")
    for task in on.watching:
        task.cancel()
    ends = await asyncio.gather(*on.watching, return_exceptions=True)
    wrong += [f"a viewer stopped: {end!r}" for end in ends if isinstance(end, Exception)]
    missed = set(there) - set(read)
    jumps = on.notes["_jumps"]
    on.notes |= {"entries": len(read), "missed": len(missed), "jumps": len(jumps)}
    for name in ("_read", "_jumps", "_board_seq"):
        del on.notes[name]
    wrong += [f"never seen: entry {seq}" for seq in sorted(missed)[:5]]
    wrong += ["read out of order"] * any(a >= b for a, b in pairwise(read))
    return wrong + [f"the board was told {follows} follows {seq}" for seq, follows in jumps[:5]]


# --- not reading -----------------------------------------------------------------------------------------------------

STUCK = 100
BUFFER_BYTES = 4_096
HEALTHY_WITHIN_S = 10.0


async def _open_and_never_read(on: Ground) -> None:
    """A hundred boards that take the first bytes and nothing more; and one that reads."""
    cookie = await _signed_in(on)
    on.notes["rss_before_mb"] = _rss_mb(on.one.pid)
    on.sockets = [await _stuck_viewer(on, cookie) for _ in range(STUCK)]
    on.notes |= {"_jumps": [], "_board_seq": 0}
    on.watching = [asyncio.create_task(_look_at_board(on, cookie))]


async def _stuck_viewer(on: Ground, cookie: str) -> socket.socket:
    host, _, port = on.one.url.removeprefix("http://").partition(":")
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    stuck.setblocking(False)
    loop = asyncio.get_running_loop()
    async with limit(10):
        await loop.sock_connect(stuck, (host, int(port)))
        hello = (
            f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: bm9ib2R5IHJlYWRzIGl0IQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Cookie: {COOKIE}={cookie}\r\n\r\n"
        )
        await loop.sock_sendall(stuck, hello.encode())
        answer = await loop.sock_recv(stuck, 12)
    if answer != b"HTTP/1.1 101":
        raise Unreachable("no_stream", answer=answer.decode(errors="replace"))
    return stuck


async def _hang_up(on: Ground) -> None:
    on.notes["rss_stuck_mb"] = _rss_mb(on.one.pid)
    for stuck in on.sockets:
        stuck.close()


async def _healthy_board_is_up_to_date(on: Ground) -> list[str]:
    async def is_up_to_date() -> bool:
        return await on.number(LAST) == int(on.notes["_board_seq"])

    wrong = []
    try:
        on.notes["board_behind_s"] = round(await within(HEALTHY_WITHIN_S, on.clock, is_up_to_date), 2)
    except Unreachable:
        wrong.append("the board that reads is behind")
    for task in on.watching:
        task.cancel()
    await asyncio.gather(*on.watching, return_exceptions=True)
    wrong += [f"the board was told {follows} follows {seq}" for seq, follows in on.notes.pop("_jumps")[:5]]
    del on.notes["_board_seq"]
    return wrong


def _rss_mb(pid: int) -> float | None:
    """Megabytes (10⁶) of a process in memory; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return next((round(int(line.split()[1]) * 1024 / 1e6, 1) for line in lines if line.startswith("VmRSS")), None)


VIEWERS = (
    Fault(
        "commits_race",
        "a viewer reads while commits race each other",
        _begin_to_read,
        full=Size(20),
        quick=Size(2, settles_s=0.5),
        setting=Setting(rate_per_s=200),
        look=_saw_everything_in_order,
    ),
    Fault(
        "viewers_stuck",
        "100 viewers stop reading",
        _open_and_never_read,
        _hang_up,
        Size(20),
        setting=Setting(rate_per_s=100),
        look=_healthy_board_is_up_to_date,
    ),
)
