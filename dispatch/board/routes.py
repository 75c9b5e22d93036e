"""The API as a table: each route's method, path, roles, what it takes and gives, and who answers it.

From the one table come the handlers (`bind`) and the OpenAPI document (`openapi`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from dispatch.board.deps import Board
from dispatch.board.refusals import Handler, Unacceptable
from dispatch.board.sessions import Person, hash_of
from dispatch.errors import NotAllowed, NotFound
from dispatch.model import WorkerId

COOKIE = "onekey_session"
LANGUAGE_COOKIE = "onekey_language"
LANGUAGES = frozenset({"zh", "en"})
PREFIX = "/api/v1"

WORKER = frozenset({"worker"})
ACTING = frozenset({"operator", "supervisor", "admin"})
LOOKING = ACTING | {"auditor"}
EVERYBODY = LOOKING | WORKER

Body = TypeVar("Body")
_encode = msgspec.json.Encoder().encode


@dataclass
class Call:
    """One request in the hands of its handler. Open routes have no `person`."""

    request: web.Request
    board: Board
    _person: Person | None
    cookies: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Name to value and seconds; the answer sets them."""

    @property
    def person(self) -> Person:
        assert self._person is not None
        return self._person

    @property
    def worker_id(self) -> WorkerId:
        assert self.person.worker_id is not None
        return self.person.worker_id

    @property
    def is_masked(self) -> bool:
        """Whether this person judges the work without knowing the people."""
        return self.person.role == "auditor"

    def id_in_path(self, name: str, code: str) -> UUID:
        """An id of the path. Raises NotFound (`code`) if it is none."""
        try:
            return UUID(self.request.match_info[name])
        except ValueError:
            raise NotFound(code) from None

    def query(self, name: str) -> str:
        """A parameter of the query, or an empty text; what no database can hold is refused."""
        text = self.request.query.get(name, "")
        if "\0" in text or len(text) > 200 or any("\ud800" <= sign <= "\udfff" for sign in text):
            raise Unacceptable(422, "bad_value", name=name)
        return text


@dataclass(frozen=True)
class Route:
    """One line of the table. `takes` and `gives` are types; `roles` None means nobody need be signed in.

    `is_stream`: a WebSocket whose text frames are `gives`. `query` names the parameters with a short explanation.
    """

    method: str
    path: str
    roles: frozenset[str] | None
    takes: Any
    gives: Any
    answer: Callable[..., Awaitable[Any]]
    query: dict[str, str] = field(default_factory=dict)
    is_stream: bool = False

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (self.answer.__doc__ or "").strip().partition("\n")[0]


def get(
    path: str,
    answer: Callable[[Call], Awaitable[Any]],
    gives: Any,
    roles: frozenset[str] | None,
    **query: str,
) -> Route:
    """A route that only looks."""
    return Route("GET", path, roles, None, gives, answer, query)


def stream(
    path: str, answer: Callable[[Call], Awaitable[web.StreamResponse]], gives: Any, roles: frozenset[str], **query: str
) -> Route:
    """A WebSocket."""
    return Route("GET", path, roles, None, gives, answer, query, is_stream=True)


def send(
    method: str,
    path: str,
    answer: Callable[[Call, Body], Awaitable[Any]],
    takes: type[Body],
    gives: Any,
    roles: frozenset[str] | None,
) -> Route:
    """A route that does something with a JSON body."""
    return Route(method, path, roles, takes, gives, answer)


def post(
    path: str, answer: Callable[[Call, Body], Awaitable[Any]], takes: type[Body], gives: Any, roles: frozenset[str]
) -> Route:
    """A POST by somebody who is signed in."""
    return send("POST", path, answer, takes, gives, roles)


# --- from the table to handlers --------------------------------------------------------------------------------------


def bind(route: Route, board: Board) -> Handler:
    """The aiohttp handler of a route: rights first, then the body, then the answer."""
    decoder = msgspec.json.Decoder(route.takes) if route.takes is not None else None

    async def handle(request: web.Request) -> web.StreamResponse:
        expect_same_origin(request)
        call = Call(request, board, await _expect_role(request, route, board))
        if route.is_stream:
            expect_websocket(request)
            streamed: web.StreamResponse = await route.answer(call)
            return streamed
        if decoder is None:
            return _response(call, await route.answer(call))
        return _response(call, await route.answer(call, await _body(request, decoder)))

    return handle


def expect_same_origin(request: web.Request) -> None:
    """A page of another site may not act with our cookie: writes carry a header that only our pages can add, and an
    Origin, where the browser names one, is ours.
    """
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("Host"):
        raise NotAllowed("other_origin", origin=origin)
    if request.method != "GET" and request.headers.get("X-Requested-With") != "onekey":
        raise NotAllowed("csrf", header="X-Requested-With: onekey")


def expect_websocket(request: web.Request) -> None:
    """Raises Unacceptable (426) if this is no WebSocket's handshake."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        raise Unacceptable(426, "not_a_websocket")


async def person_of(request: web.Request, board: Board) -> Person | None:
    """Who holds the session in the cookie; None without one."""
    token = request.cookies.get(COOKIE, "")
    if not token or len(token) > 100:
        return None
    person = await board.sessions.person(hash_of(token))
    language = request.cookies.get(LANGUAGE_COOKIE)
    if person is not None and person.worker_id is not None and language in LANGUAGES:
        person = msgspec.structs.replace(person, language=language)
    return person


async def _expect_role(request: web.Request, route: Route, board: Board) -> Person | None:
    if route.roles is None:
        return None
    person = await person_of(request, board)
    if person is None:
        raise NotAllowed("sign_in")
    if person.role not in route.roles:
        raise NotAllowed("not_your_role", role=person.role)
    return person


async def _body(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    if request.content_type != "application/json":
        raise Unacceptable(415, "not_json", content_type=request.content_type)
    raw = await request.read()
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise Unacceptable(422, "bad_value", reason=str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unacceptable(400, "bad_json", reason=str(error)) from None


def _response(call: Call, answer: Any) -> web.Response:
    body = answer if isinstance(answer, bytes) else _encode(answer)
    response = web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})
    for name, (value, lasts_s) in call.cookies.items():
        set_cookie(response, call.board, name, value, lasts_s)
    return response


def set_cookie(response: web.StreamResponse, board: Board, name: str, value: str, lasts_s: int) -> None:
    """Set a cookie that scripts cannot read and other sites cannot send; 0 seconds takes it away."""
    response.set_cookie(
        name, value, max_age=lasts_s, path="/", httponly=True, samesite="Strict", secure=board.deps.is_https
    )
