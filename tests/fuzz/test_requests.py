"""HTTP: requests of any shape, to any address, with any bytes; the answer is one that was described, or a clear no."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import schemathesis
from hypothesis import strategies as st

from dispatch.board.api import ROUTES
from dispatch.clock import limit
from tests.board.conftest import HEADERS, WITHIN_S, Browser, Room, password_hash, policies, room, static
from tests.board.test_schema import cookies_of, quick, try_operation

from .amount import IS_SAME_EACH_TIME, TIMES, count, drawn
from .spoiling import ANYTHING, DEEP, NASTY_TEXT, as_json, broken

__all__ = ["password_hash", "policies", "room", "static"]

ANSWER = re.compile(rb"HTTP/\d\.\d ([1-4]\d\d) ")
INSIDE = re.compile(rb"Traceback|\.py\b|asyncpg|Exception")
"""What only shows when something of the inside came out."""

PLACES = ("/", "/static/", "/static/assets/", "/enter/", "/api/v1/", "/api/v1/incidents/", "/api/v1/elders/")
PATHS = st.one_of(
    st.tuples(st.sampled_from(PLACES), NASTY_TEXT | st.text(max_size=30)).map("".join),
    st.tuples(st.sampled_from(["/api/v1/board?history=", "/api/v1/stream?since="]), NASTY_TEXT).map("".join),
    st.sampled_from(["/static/../../settings.py", "/static/%2e%2e/%2e%2e/settings.py", "//", "/static//", "*"]),
)
SIGNS = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=40)
NAMES = ("Origin", "Cookie", "Range", "If-Modified-Since", "If-None-Match", "Content-Type", "Upgrade", "Host")
"""Not `Expect`: aiohttp answers one that is no text by itself, with a bare 500."""

GOOD = (
    b"GET /api/v1/board HTTP/1.1\r\nHost: x\r\n\r\n",
    (
        b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nX-Requested-With: onekey\r\nContent-Type: application/json\r\n"
        b'Content-Length: 29\r\n\r\n{"name":"li","password":"no"}'
    ),
    (
        b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nX-Requested-With: onekey\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\n\r\n"
    ),
    b"GET /static/assets/app-1a2b.js HTTP/1.1\r\nHost: x\r\nRange: bytes=0-3\r\n\r\n",
)


async def test_the_document_is_served_and_names_every_route_of_the_api(room: Room) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{room.url}/api/v1/openapi.json") as answer:
        document = await answer.json()
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in room.runner.app.router.routes()
        if route.resource is not None and route.resource.canonical.startswith("/api/") and route.method != "HEAD"
    }
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert served == described | {("get", "/api/v1/openapi.json")}


async def test_every_answer_to_every_operation_is_one_that_was_described(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    ids = {"incident_id": str(incident_id), "offer_id": offer_id, "elder_id": "E1"}
    cookies = [cookies_of(await room.operator("boss")), cookies_of(await room.phone(worker_id)), {}]
    trying = quick(TIMES, is_same_each_time=IS_SAME_EACH_TIME)
    schema = await asyncio.to_thread(schemathesis.openapi.from_url, f"{room.url}/api/v1/openapi.json")
    for number, found in enumerate(schema.get_all_operations()):
        operation: Any = found.ok()  # type: ignore[union-attr]  # a schema of ours is never invalid
        who = cookies
        if IS_SAME_EACH_TIME:  # `tests/board` asks for each by whoever may: here is one in three, by anybody
            who = [] if number % 3 else [cookies[number // 3 % len(cookies)]]
        for each in who if operation.method.upper() != "DELETE" else ():  # it would sign the others out
            await asyncio.to_thread(try_operation, operation, room.url, each, ids, trying)
            count("requests", 2 * TIMES)  # well-formed ones and ill-formed ones


async def test_no_body_makes_the_service_fail(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    operator, phone = await room.operator("boss"), await room.phone(worker_id)
    bodies = drawn("bodies", st.one_of(DEEP, st.binary(max_size=40), ANYTHING.map(as_json)), 20)
    for route in ROUTES:
        if route.takes is None:
            continue
        page = phone if route.roles is not None and "worker" in route.roles else operator
        path = route.path.format(incident_id=incident_id, offer_id=offer_id, elder_id="E1", note_id=incident_id)
        for body in bodies:
            await refuses(page, route.method, path, body)
    assert (await operator.get("/board"))["incidents"]


async def refuses(page: Browser, method: str, path: str, body: bytes) -> None:
    """A body that cannot be used is refused in so many words; one that happens to be right may be taken."""
    headers = HEADERS | {"Content-Type": "application/json"}
    async with page.http.request(method, f"{page.url}/api/v1{path}", data=body, headers=headers) as answer:
        said = await answer.read()
        assert answer.status < 500, (method, path, body, said)
        assert answer.content_type == "application/json"
        assert not INSIDE.search(said), said
        if answer.status >= 400:
            assert set(msgspec.json.decode(said)) == {"code", "facts"}


# --- bytes that are hardly HTTP ---------------------------------------------------------------------------------------


def any_request() -> st.SearchStrategy[bytes]:
    """A GET of any path with any headers, or a good request with a few bytes spoilt."""

    def written(path: str, headers: dict[str, str]) -> bytes:
        lines = [f"GET {quote(path, safe='/%?=&*', errors='surrogatepass')} HTTP/1.1", "Host: x"]
        return "\r\n".join([*lines, *map(": ".join, headers.items()), "", ""]).encode("latin-1")

    headers = st.dictionaries(st.sampled_from(NAMES), SIGNS, max_size=3)
    return st.builds(written, PATHS, headers) | st.sampled_from(GOOD).flatmap(broken) | st.binary(max_size=200)


async def answers_to(room: Room, looking: Browser, said: bytes) -> bytes:
    """All that comes back on a connection of its own. It is ended when another request, sent later, was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", room.runner.addresses[0][1])
    try:
        writer.write(said)
        await writer.drain()
        await looking.get("/openapi.json")
        writer.write_eof()
        async with limit(WITHIN_S):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_whatever_the_bytes_of_a_request_nothing_of_the_inside_comes_out(room: Room) -> None:
    looking = room.browser()
    for said in drawn("http_bytes", any_request(), 120):
        answered = await answers_to(room, looking, said)
        assert not answered or ANSWER.match(answered), (said, answered)
        assert not INSIDE.search(answered), (said, answered)
    operator = await room.operator()
    assert (await operator.get("/board"))["incidents"] == []
