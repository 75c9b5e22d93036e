"""Signing in and out."""

from __future__ import annotations

from dispatch.board.messages import ChooseLanguage, Nothing, SignIn, Who
from dispatch.board.routes import COOKIE, EVERYBODY, LANGUAGE_COOKIE, Call, Route, get, send
from dispatch.board.sessions import PHONE, SHIFT, Person


def who(person: Person) -> Who:
    """The person as the pages know them."""
    return Who(person.name, person.role, person.language, person.worker_id)


def lasts_s(person: Person) -> int:
    """How long the browser keeps the cookie; the server may end the session earlier."""
    return int((PHONE if person.worker_id else 2 * SHIFT).total_seconds())


async def sign_in(call: Call, body: SignIn) -> Who:
    """Sign in with an account's name and password; sets the session cookie."""
    person, token = await call.board.sessions.sign_in(body.name, body.password, call.request.remote or "")
    call.cookies[COOKIE] = token, lasts_s(person)
    return who(person)


async def who_am_i(call: Call) -> Who:
    """Who is signed in."""
    return who(call.person)


async def sign_out(call: Call) -> Nothing:
    """End this session."""
    await call.board.sessions.sign_out(call.person)
    call.cookies[COOKIE] = "", 0
    return Nothing()


async def choose_language(call: Call, body: ChooseLanguage) -> Who:
    """Read in this language from now on."""
    person = await call.board.sessions.choose_language(call.person, body.language)
    call.cookies[LANGUAGE_COOKIE] = body.language, lasts_s(person)
    return who(person)


ROUTES = [
    send("POST", "/session", sign_in, SignIn, Who, None),
    get("/session", who_am_i, Who, EVERYBODY),
    Route("DELETE", "/session", EVERYBODY, None, Nothing, sign_out),
    send("PUT", "/session/language", choose_language, ChooseLanguage, Who, EVERYBODY),
]
