"""Signing in: by password, by link; who may do what; and what another site's page may not."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import timedelta

from dispatch.board.sessions import make_link
from dispatch.model import WorkerId

from .conftest import HEADERS, Room

RIGHT = {"name": "li", "password": "correct horse"}


async def test_a_password_signs_in_and_signing_out_ends_it(room: Room) -> None:
    page = room.browser()
    assert (await page.ask("GET", "/session")).code == "sign_in"
    who = await page.post("/session", RIGHT)
    assert who == {"name": "li", "role": "operator", "language": "zh", "worker_id": None}
    assert await page.get("/session") == who
    [cookie] = [each for each in page.http.cookie_jar if each.key == "onekey_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    kept = [row[0] for row in await room.fetch("SELECT token_hash FROM session")]
    assert kept == [hashlib.sha256(cookie.value.encode()).digest()]  # whoever reads the database cannot sign in
    assert (await page.ask("DELETE", "/session")).status == 200
    answer = await page.ask("GET", "/session")
    assert (answer.status, answer.code) == (401, "sign_in")


async def test_a_cookie_is_worth_nothing_after_signing_out(room: Room) -> None:
    page = await room.operator()
    [cookie] = list(page.http.cookie_jar)
    await page.ask("DELETE", "/session")
    again = await room.browser().ask("GET", "/session", cookies={cookie.key: cookie.value})
    assert again.code == "sign_in"


async def test_a_wrong_password_and_an_unknown_name_are_told_the_same(room: Room) -> None:
    for wrong in ({"name": "li", "password": "wrong"}, {"name": "nobody", "password": "correct horse"}):
        answer = await room.browser().refused("/session", wrong)
        assert (answer.status, answer.body) == (401, {"code": "wrong_password", "facts": {}})


async def test_a_barred_account_is_out(room: Room) -> None:
    page = await room.operator()
    await page.get("/session")
    await room.fetch("UPDATE account SET is_active = false WHERE name = 'li'")
    await room.clock.advance(11)
    assert (await page.ask("GET", "/board")).code == "sign_in"
    assert (await page.refused("/session", RIGHT)).code == "wrong_password"


async def test_guessing_is_slowed_down_and_never_locks_anybody_out_for_good(room: Room) -> None:
    page = room.browser()
    for _ in range(6):
        assert (await page.refused("/session", {"name": "li", "password": "guess"})).status == 401
    answer = await page.refused("/session", RIGHT)
    assert (answer.status, answer.code) == (429, "too_many_tries")
    await room.clock.advance(answer.body["facts"]["retry_after_s"])
    await page.post("/session", RIGHT)


async def test_many_guesses_at_once_are_many_tries(room: Room) -> None:
    page = room.browser()
    guesses = [page.ask("POST", "/session", {"name": "li", "password": f"guess {n}"}) for n in range(12)]
    statuses = [answer.status for answer in await asyncio.gather(*guesses)]
    assert sorted(statuses) == [401] * 6 + [429] * 6


async def test_good_passwords_cost_no_tries(room: Room) -> None:
    for _ in range(8):
        await room.browser().post("/session", RIGHT)


async def test_a_link_opens_the_phone_again_and_again_until_it_expires(room: Room) -> None:
    async with room.database.connection() as connection:
        token = await make_link(connection, room.clock, worker_id=WorkerId("W1"))
    for _ in range(2):
        page = room.browser()
        async with page.http.get(f"{room.url}/enter/{token}", allow_redirects=False) as answer:
            assert answer.headers["Location"] == "/w"
        assert (await page.get("/session"))["worker_id"] == "W1"
    room.leap(timedelta(days=31))
    async with room.browser().http.get(f"{room.url}/enter/{token}", allow_redirects=False) as answer:
        assert answer.status == 401
        assert "no longer valid" in await answer.text()


async def test_a_link_is_no_session_and_a_session_no_link(room: Room) -> None:
    async with room.database.connection() as connection:
        token = await make_link(connection, room.clock, account="li")
    assert (await room.browser().ask("GET", "/session", cookies={"onekey_session": token})).code == "sign_in"
    page = await room.operator()
    [cookie] = list(page.http.cookie_jar)
    async with room.browser().http.get(f"{room.url}/enter/{cookie.value}", allow_redirects=False) as answer:
        assert answer.status == 401


async def test_a_session_in_use_goes_on_and_an_unused_one_ends(room: Room) -> None:
    used, unused = await room.operator(), await room.operator("chen")
    for _ in range(3):
        room.leap(timedelta(hours=7))
        await used.get("/session")
    assert (await unused.ask("GET", "/session")).code == "sign_in"


async def test_each_reads_in_their_own_language(room: Room) -> None:
    operator, phone = await room.operator(), await room.phone("W1")
    for page in (operator, phone):
        answer = await page.ask("PUT", "/session/language", {"language": "en"})
        assert answer.body["language"] == "en"
        assert (await page.get("/session"))["language"] == "en"
    assert (await (await room.operator()).get("/session"))["language"] == "en"


async def test_nobody_does_what_is_not_their_role(room: Room) -> None:
    for who, method, path in (
        ("bureau", "POST", "/incidents"),
        ("bureau", "GET", "/find?q=x"),
        ("bureau", "GET", "/worker"),
        ("li", "POST", "/worker/duty"),
        ("boss", "GET", "/worker"),
    ):
        answer = await (await room.operator(who)).ask(method, path, {} if method == "POST" else None)
        assert (answer.status, answer.code) == (403, "not_your_role"), (who, path)
    phone = await room.phone("W1")
    for path in ("/board", "/workers", "/find?q=x", "/stream"):
        answer = await phone.ask("GET", path)
        assert (answer.status, answer.code) == (403, "not_your_role"), path


async def test_another_sites_page_may_not_act(room: Room) -> None:
    page = await room.operator()
    answer = await page.ask("POST", "/incidents", {}, headers={})
    assert (answer.status, answer.code) == (403, "csrf")
    answer = await page.ask("POST", "/incidents", {}, headers=HEADERS | {"Origin": "https://elsewhere.example"})
    assert (answer.status, answer.code) == (403, "other_origin")
    answer = await page.ask("GET", "/stream", headers={"Origin": "https://elsewhere.example", "Upgrade": "websocket"})
    assert (answer.status, answer.code) == (403, "other_origin")
    own = await page.ask("POST", "/incidents", {}, headers=HEADERS | {"Origin": room.url})
    assert own.status == 422
