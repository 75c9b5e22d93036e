"""WebSockets: whatever a page's end of one says, the others hear what they should, and nothing is left behind."""

from __future__ import annotations

import asyncio

from hypothesis import strategies as st

from dispatch.board.streams import OPEN
from dispatch.clock import limit
from tests.board.conftest import WITHIN_S, Browser, Room, password_hash, policies, room, static

from .amount import drawn
from .spoiling import NASTY_NUMBERS, NASTY_TEXT, NASTY_TIMES, as_json, spoilt

__all__ = ["password_hash", "policies", "room", "static"]

PLACE = {"type": "place", "lat": 24.48, "lon": 118.1, "datum": "wgs84", "accuracy_m": 10,
         "at": "2026-03-01T16:00:00+08:00"}  # fmt: skip
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MASK = b"\x11\x22\x33\x44"


def frame(kind: int, content: bytes, *, is_last: bool, reserved: int, says_bytes: int | None) -> bytes:
    """One frame as a browser sends it (RFC 6455, section 5.2), or as it never would."""
    size = len(content) if says_bytes is None else says_bytes
    first = (0x80 if is_last else 0) | reserved << 4 | kind
    if size < 126:
        head = bytes([first, 0x80 | size])
    elif size < 1 << 16:
        head = bytes([first, 0x80 | 126]) + size.to_bytes(2)
    else:
        head = bytes([first, 0x80 | 127]) + size.to_bytes(8)
    return head + MASK + bytes(byte ^ MASK[place % 4] for place, byte in enumerate(content))


POSITIONS = st.tuples(st.sampled_from(sorted(PLACE)), NASTY_NUMBERS | NASTY_TEXT | NASTY_TIMES).map(
    lambda change: as_json(PLACE | dict([change]))
)
CONTENTS = st.one_of(POSITIONS, spoilt(PLACE), st.just(b"x" * 20_000), st.binary(max_size=130))
FRAMES = st.builds(
    frame,
    st.sampled_from([TEXT] * 6 + [CONTINUED, BINARY, CLOSE, PING, PONG, 0x3, 0xF]),
    CONTENTS,
    is_last=st.sampled_from([True, True, True, False]),
    reserved=st.sampled_from([0, 0, 0, 0, 4, 7]),
    says_bytes=st.sampled_from([None] * 6 + [0, 1, 126, 1 << 16, (1 << 63) - 1, 1 << 63]),
)


async def open_raw(page: Browser, room: Room, path: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A WebSocket after its handshake, as a bare connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", room.runner.addresses[0][1])
    cookie = "; ".join(f"{each.key}={each.value}" for each in page.http.cookie_jar)
    writer.write(
        f"GET /api/v1{path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCookie: {cookie}\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b" 101 " in (await reader.readuntil(b"\r\n\r\n")).splitlines()[0]
    return reader, writer


async def say(page: Browser, room: Room, path: str, frames: list[bytes]) -> None:
    """Say it all, hang up, and hear the end of it."""
    reader, writer = await open_raw(page, room, path)
    try:
        writer.write(b"".join(frames))
        await writer.drain()
        writer.write_eof()
        async with limit(WITHIN_S):
            await reader.read()
    except ConnectionError:
        pass  # thrown out for what it said, which is an answer
    finally:
        writer.close()


async def test_whatever_a_page_says_the_others_hear_on_and_nothing_is_left_behind(room: Room) -> None:
    operator, phone = await room.operator(), await room.phone("W1")
    watching, waiting = await operator.stream("/stream"), await phone.stream("/worker/stream")
    await watching.next("snapshot")
    await waiting.next()
    streams = room.runner.app[OPEN]
    assert len(streams) == 2
    for frames in drawn("websocket_frames", st.lists(FRAMES, min_size=1, max_size=5), 60):
        for page, path in ((operator, "/stream"), (phone, "/worker/stream")):
            await say(page, room, path, frames)
    async with limit(WITHIN_S):
        while len(streams) > 2:  # those who hung up are noticed with the next turn of the loop
            await operator.get("/session")
    incident_id = await room.press()
    await watching.until(
        lambda told: any(each["incident_id"] == str(incident_id) for each in told.get("incidents", ()))
    )
    await phone.post("/worker/place", {"lat": 24.9, "lon": 118.2})
    await room.board.positions.step()
    assert await room.fetch("SELECT lat FROM worker WHERE worker_id = 'W1'") == [(24.9,)]
