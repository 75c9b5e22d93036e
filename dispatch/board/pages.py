"""The built pages, the sign-in links, and what every answer says to the browser about safety."""

from __future__ import annotations

import asyncio
import html
from pathlib import Path

from aiohttp import web

from dispatch.board.deps import Board
from dispatch.board.refusals import API, Handler
from dispatch.board.routes import COOKIE, set_cookie
from dispatch.board.session_api import lasts_s
from dispatch.errors import NotAllowed, Unreachable

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=()",
}
CSP = (
    "default-src 'self'; connect-src 'self'{sockets}; img-src 'self' data: blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HOST_SIGNS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]")

PLAIN = """<!doctype html><html lang="zh"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>OneKey</title><h1>{zh}</h1><p>{zh_more}</p><h1 lang="en">{en}</h1><p lang="en">{en_more}</p></html>"""

NOT_BUILT = {
    "zh": "页面尚未构建",
    "zh_more": "服务在运行,但页面文件不存在:运行 ./run demo 即可构建。",
    "en": "The pages have not been built",
    "en_more": "The service runs, but its pages are missing: ./run demo builds them.",
}
LINK_EXPIRED = {
    "zh": "链接已失效",
    "zh_more": "请向您的服务站索取新的登录链接。",
    "en": "This link is no longer valid",
    "en_more": "Ask your station for a new sign-in link.",
}
AWAY = {
    "zh": "暂时无法登录",
    "zh_more": "中心的数据库暂时无法访问,请稍后再打开此链接。",
    "en": "Signing in is not possible just now",
    "en_more": "The centre's database cannot be reached. Open this link again in a moment.",
}


def _plain(status: int, words: dict[str, str]) -> web.Response:
    text = PLAIN.format(**{name: html.escape(value) for name, value in words.items()})
    return web.Response(status=status, text=text, content_type="text/html", headers={"Cache-Control": "no-store"})


async def guard(request: web.Request, response: web.StreamResponse) -> None:
    """Add what keeps a page from running anything but our own scripts; called for every answer."""
    host = request.headers.get("Host", "")
    host = host if set(host) <= HOST_SIGNS else ""
    sockets = f" ws://{host} wss://{host}" if host else ""  # some browsers do not count sockets as 'self'
    response.headers["Content-Security-Policy"] = CSP.format(sockets=sockets)
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/static/assets/") and response.status == 200:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"  # their names change with content
    elif not request.path.startswith(API):
        response.headers.setdefault("Cache-Control", "no-cache")


class Pages:
    """Serves the two pages, and turns a sign-in link into a session."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._static = board.deps.static

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/", self._home)
        app.router.add_get("/board", self._page("board.html"))
        app.router.add_get("/w", self._page("worker.html"))
        app.router.add_get("/enter/{token}", self._enter)
        if self._static.is_dir():
            app.router.add_static("/static/", self._static, show_index=False, follow_symlinks=False)

    async def _home(self, _request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/board")

    def _page(self, name: str) -> Handler:
        file: Path = self._static / name

        async def page(_request: web.Request) -> web.StreamResponse:
            is_built = await asyncio.to_thread(file.is_file)
            return web.FileResponse(file) if is_built else _plain(503, NOT_BUILT)

        return page

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        try:
            person, token = await self._board.sessions.enter(request.match_info["token"][:100])
        except NotAllowed:
            return _plain(401, LINK_EXPIRED)
        except Unreachable:
            return _plain(503, AWAY)
        answer = web.Response(status=302, headers={"Location": "/w" if person.worker_id else "/board"})
        set_cookie(answer, self._board, COOKIE, token, lasts_s(person))
        return answer
