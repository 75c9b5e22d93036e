"""Whatever goes wrong becomes a status and a `Refusal`; nobody outside ever sees a traceback."""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from dispatch import logs
from dispatch.board.messages import Refusal
from dispatch.board.tries import TooOften
from dispatch.errors import BadInput, DispatchError, NotAllowed, NotFound, Refused, SteppedDown, Unreachable

API = "/api/"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logs.get("board")


class Unacceptable(DispatchError):
    """A request whose form already tells that it cannot be served; `status` is the HTTP status."""

    def __init__(self, status: int, code: str, **params: object) -> None:
        super().__init__(code, **params)
        self.status = status


NOT_SIGNED_IN = frozenset({"sign_in", "wrong_password", "link_expired"})

STATUS: dict[type[DispatchError], int] = {
    Refused: 409,
    NotFound: 404,
    NotAllowed: 403,
    BadInput: 422,
    TooOften: 429,
    Unreachable: 503,
    SteppedDown: 503,
}

CODES = {404: "no_such_path", 405: "no_such_method", 413: "too_large", 400: "bad_request"}


def status_of(error: DispatchError) -> int:
    """The HTTP status of an error raised on purpose."""
    if isinstance(error, Unacceptable):
        return error.status
    if isinstance(error, NotAllowed) and error.code in NOT_SIGNED_IN:
        return 401
    return next((status for kind, status in STATUS.items() if isinstance(error, kind)), 500)


def refusal(status: int, code: str, facts: dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    """The answer to a request that is refused."""
    sayable = {name: _sayable(value) for name, value in facts.items()}
    body = msgspec.json.encode(Refusal(code, sayable), enc_hook=str)
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _sayable(value: Any) -> Any:
    """A fact that JSON can hold: a header's bytes may be no UTF-8, which makes halves of surrogate pairs of them."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _explained(error: DispatchError) -> web.Response:
    status = status_of(error)
    facts = dict(error.params)
    if isinstance(error, Unreachable):
        facts.pop("detail", None)  # the inside of the house is nobody's business
    headers = {"Retry-After": str(facts["retry_after_s"])} if "retry_after_s" in facts else None
    return refusal(status, error.code, facts, headers)


@web.middleware
async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn errors into refusals."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if not request.path.startswith(API) or error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
        return refusal(error.status, CODES.get(error.status, "bad_request"), {}, allow)
    except DispatchError as error:
        return _explained(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:  # of a file that is asked for
            return refusal(404, CODES[404], {})
        log.exception("request_failed", method=request.method, path=request.match_info.route.resource)
        return refusal(500, "internal", {})
