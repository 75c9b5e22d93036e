"""Requests in bad form, pages, headers: a clear answer to everything, and never a traceback."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import msgspec
import pytest

from dispatch.board.api import ROUTES
from dispatch.board.openapi import document

from .conftest import HEADERS, Room


async def raw(room: Room, body: bytes, content_type: str = "application/json") -> tuple[int, str]:
    headers, url = HEADERS | {"Content-Type": content_type}, f"{room.url}/api/v1/session"
    async with aiohttp.ClientSession() as http, http.post(url, data=body, headers=headers) as answer:
        assert answer.content_type == "application/json"
        return answer.status, (await answer.json())["code"]


async def test_what_is_not_json_or_not_of_this_shape_is_told_so(room: Room) -> None:
    cases: list[tuple[bytes, int, str]] = [
        (b"", 400, "bad_json"),
        (b"{", 400, "bad_json"),
        (b"\xff\xfe", 400, "bad_json"),
        (b'{"name": "\xff", "password": "x"}', 400, "bad_json"),
        (rb'{"name": "\ud800", "password": "x"}', 400, "bad_json"),
        (rb'{"name": "a\u0000b", "password": "x"}', 422, "bad_value"),
        (b"[]", 422, "bad_value"),
        (b"null", 422, "bad_value"),
        (b'{"name": 1, "password": "x"}', 422, "bad_value"),
        (b'{"name": "li"}', 422, "bad_value"),
        (b'{"name": "li", "password": "x", "role": "admin"}', 422, "bad_value"),
        (b'{"name": "%s", "password": "x"}' % (b"x" * 300), 422, "bad_value"),
        (b"[" * 60_000, 422, "bad_value"),
        (b'{"name": ' + b"[" * 60_000, 422, "bad_value"),
    ]
    for body, status, code in cases:
        assert await raw(room, body) == (status, code), body[:60]
    assert await raw(room, b"{}", "text/plain") == (415, "not_json")


async def test_a_megabyte_is_refused_and_the_next_request_is_served(room: Room) -> None:
    assert await raw(room, b'{"name": "' + b"x" * 1_000_000 + b'"}') == (413, "too_large")
    assert (await room.browser().ask("GET", "/session")).code == "sign_in"


async def test_paths_and_methods_that_are_not_there(room: Room) -> None:
    page = room.browser()
    for method, path, status, code in (
        ("GET", "/nothing", 404, "no_such_path"),
        ("POST", "/board", 405, "no_such_method"),
        ("GET", "/incidents", 405, "no_such_method"),
        ("DELETE", "/incidents", 405, "no_such_method"),
    ):
        answer = await page.ask(method, path)
        assert (answer.status, answer.code) == (status, code), path


async def test_queries_that_no_database_could_answer(room: Room) -> None:
    page = await room.operator()
    for path in (
        "/find?q=a%00b",
        "/find?q=" + "x" * 201,
        "/stream?since=-1",
        "/stream?since=" + "9" * 30,
        "/stream?since=x",
    ):
        answer = await page.ask("GET", path, headers=HEADERS | {"Upgrade": "websocket"})
        assert (answer.status, answer.code) == (422, "bad_value"), path
    assert (await page.ask("GET", "/stream")).code == "not_a_websocket"


async def test_a_database_that_is_away_is_said_plainly_and_comes_back(room: Room) -> None:
    page = await room.operator()
    await page.get("/board")
    await room.clock.advance(11)
    dsn, room.database._dsn = room.database._dsn, "postgresql://nobody@127.0.0.1:1/nothing"
    await room.database.close()
    for path in ("/board", "/workers"):  # sessions and streams live on: test_outage.py
        answer = await page.ask("GET", path)
        assert (answer.status, answer.code) == (503, "database_away"), path
        assert "detail" not in answer.body["facts"]
    room.database._dsn = dsn
    await room.database.close()
    await page.get("/board")


async def test_a_fault_of_ours_is_logged_and_not_shown(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(**_: object) -> bytes:
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr(room.board.feed, "board", broken)
    answer = await (await room.operator()).ask("GET", "/board")
    assert (answer.status, answer.body) == (500, {"code": "internal", "facts": {}})


# --- pages -----------------------------------------------------------------------------------------------------------


async def test_pages_are_served_with_what_keeps_them_safe(room: Room) -> None:
    async with aiohttp.ClientSession() as http:
        for path, content, cached in (
            ("/", "board.html", "no-cache"),
            ("/board", "board.html", "no-cache"),
            ("/w", "worker.html", "no-cache"),
            ("/static/assets/app-1a2b.js", "assets/app-1a2b.js", "public, max-age=31536000, immutable"),
        ):
            async with http.get(room.url + path) as answer:
                assert (answer.status, await answer.text()) == (200, content), path
                assert answer.headers["Cache-Control"] == cached
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'self'" in policy
                assert "frame-ancestors 'none'" in policy
                assert "unsafe" not in policy
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        async with http.get(f"{room.url}/static/../board.html") as answer:
            assert answer.status == 404
        async with http.get(f"{room.url}/board", headers={"Host": "x;script-src *"}) as answer:
            assert "script-src" not in answer.headers.get("Content-Security-Policy", "")


async def test_pages_that_were_not_built_say_so(room: Room, static: Any) -> None:
    (static / "board.html").unlink()
    async with aiohttp.ClientSession() as http, http.get(f"{room.url}/board") as answer:
        assert answer.status == 503
        assert "not been built" in await answer.text()


# --- the description -------------------------------------------------------------------------------------------------


async def test_every_route_is_described(room: Room) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{room.url}/api/v1/openapi.json") as answer:
        described = await answer.json()
    assert described == msgspec.json.decode(msgspec.json.encode(document(ROUTES)))
    for route in ROUTES:
        operation = described["paths"]["/api/v1" + route.path][route.method.lower()]
        assert operation["summary"]
        assert ("security" in operation) == (route.roles is not None)
    names = [operation["operationId"] for path in described["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))


async def test_a_header_that_is_no_text_is_refused_and_not_a_fault_of_ours(room: Room) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", room.runner.addresses[0][1])
    lines = [b"GET /api/v1/board HTTP/1.1", b"Host: x", b"Origin: \xb7\x83", b"Connection: close", b"", b""]
    writer.write(b"\r\n".join(lines))
    answered = await reader.read()
    writer.close()
    assert answered.startswith(b"HTTP/1.1 403 ")
    assert b'"other_origin"' in answered


async def test_a_file_whose_name_no_disk_could_hold_is_not_there(room: Room) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{room.url}/static/{'a' * 5000}") as answer:
        assert answer.status == 404
