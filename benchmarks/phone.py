"""Workers' phones for measuring: a WebSocket each, and a yes to the first offer of every call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp
import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dispatch.clock import Clock

OPENING_AT_ONCE = 16
ANSWER_WITHIN_S = 10.0


class _Call(msgspec.Struct):
    offer_id: str
    state: str
    address: str


class _Frame(msgspec.Struct):
    """A view or a heartbeat of the worker's page; what is not measured is passed over."""

    call: _Call | None = None


_frame = msgspec.json.Decoder(_Frame)


class Phones:
    """All phones. `on_offer` gets the address of each call when its first offer is shown to somebody.

    Whoever that is accepts, so that every call takes one worker for good and the others stay free: a no would send
    the offer on to the next worker, and the next, without end.
    """

    def __init__(self, url: str, clock: Clock, on_offer: Callable[[str, float], None]) -> None:
        self._clock, self._on_offer = clock, on_offer
        self._offered: set[str] = set()
        self._accepting: set[asyncio.Task[None]] = set()
        self._streams: list[asyncio.Task[None]] = []
        self._room = asyncio.Semaphore(OPENING_AT_ONCE)
        self._http = aiohttp.ClientSession(
            url,
            headers={"X-Requested-With": "onekey"},
            cookie_jar=aiohttp.DummyCookieJar(),
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S),
        )
        self.accepted = 0
        self.refused = 0

    async def open(self, tokens: Iterable[str]) -> None:
        """Open a page for the session of each token; returns when all show something."""
        shown = [asyncio.get_running_loop().create_future() for _ in tokens]
        self._streams = [
            asyncio.create_task(self._run(token, future)) for token, future in zip(tokens, shown, strict=True)
        ]
        await asyncio.gather(*shown)

    async def settled(self) -> None:
        """Return when every yes has its answer."""
        await asyncio.gather(*self._accepting)

    async def close(self) -> None:
        """Close every page."""
        for task in (*self._streams, *self._accepting):
            task.cancel()
        await asyncio.gather(*self._streams, *self._accepting, return_exceptions=True)
        await self._http.close()

    async def _run(self, token: str, shown: asyncio.Future[None]) -> None:
        cookie = {"Cookie": f"onekey_session={token}"}
        try:
            async with self._room:
                stream = await self._http.ws_connect("/api/v1/worker/stream", headers=cookie)
                self._look((await stream.receive()).data, cookie)
            shown.set_result(None)
            async for message in stream:
                self._look(message.data, cookie)
        except Exception as problem:
            if shown.done():
                raise
            shown.set_exception(problem)

    def _look(self, frame: str, cookie: dict[str, str]) -> None:
        call = _frame.decode(frame).call
        if call is None or call.state != "offered" or call.address in self._offered:
            return
        self._offered.add(call.address)
        self._on_offer(call.address, self._clock.elapsed())
        task = asyncio.create_task(self._accept(call.offer_id, cookie))
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)

    async def _accept(self, offer_id: str, cookie: dict[str, str]) -> None:
        async with self._http.post(f"/api/v1/offers/{offer_id}/accept", json={}, headers=cookie) as answer:
            await answer.read()
            self.accepted += answer.status == 200
            self.refused += answer.status != 200
