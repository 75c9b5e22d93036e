"""One person's way into the service: a cookie, requests, and a WebSocket that is opened again when it breaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec

from dispatch import logs
from dispatch.errors import Refused, Unreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dispatch.clock import Clock
    from simulator.reach import Reach

REQUEST_WITHIN_S = 10.0
log = logs.get("person")


class LiveClient:
    """A browser without a screen. Close it with `close`."""

    def __init__(self, reach: Reach, clock: Clock, name: str) -> None:
        self.name = name
        self._reach, self._clock = reach, clock
        self._session = aiohttp.ClientSession(
            reach.http_url,
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # the loopback has no name
            headers={"X-Requested-With": "onekey"},
            timeout=aiohttp.ClientTimeout(total=REQUEST_WITHIN_S),
            connector=aiohttp.TCPConnector(limit=4),
        )

    async def close(self) -> None:
        await self._session.close()

    async def enter(self, token: str) -> None:
        """Sign in by a link's token. Raises Refused or Unreachable."""
        await self._answer("GET", f"/enter/{token}", None)

    async def sign_in(self, name: str, password: str) -> None:
        """Sign in by name and password. Raises Refused or Unreachable."""
        await self.post("/session", {"name": name, "password": password})

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request below `/api/v1` and return its answer. Raises Refused (the code is the service's) or
        Unreachable.
        """
        return await self._answer("POST", f"/api/v1{path}", body or {})

    async def get(self, path: str) -> Any:
        """Ask for what stands at a path below `/api/v1`. Raises Refused or Unreachable."""
        return await self._answer("GET", f"/api/v1{path}", None)

    async def try_post(self, path: str, body: dict[str, Any] | None = None) -> bool:
        """Send a request as people do: somebody else may have been quicker, which is no trouble."""
        try:
            await self.post(path, body)
        except Refused as refused:
            log.debug("refused", who=self.name, path=path, code=refused.code)
            return False
        except Unreachable as error:
            log.warning("unreachable", who=self.name, path=path, **error.params)
            return False
        return True

    async def _answer(self, method: str, path: str, body: dict[str, Any] | None) -> Any:
        try:
            async with self._session.request(method, path, json=body, allow_redirects=False) as response:
                content = await response.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Unreachable("service_away", reason=type(error).__name__, detail=str(error)) from error
        if response.status >= 500:
            raise Unreachable("service_failed", status=response.status, body=content[:200].decode(errors="replace"))
        if response.status >= 400:
            raise refusal(response.status, content)
        return msgspec.json.decode(content) if response.content_type == "application/json" else None

    async def frames(self, path: str) -> AsyncIterator[bytes]:
        """Every frame of a WebSocket below `/api/v1`, over breaks of the link, without end."""
        while True:
            try:
                async with self._session.ws_connect(f"/api/v1{path}", heartbeat=20, max_msg_size=0) as stream:
                    async for message in stream:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            yield message.data.encode()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                log.debug("stream_lost", who=self.name, reason=str(error))
            await self._clock.sleep(0.3 + self._clock.jitter(0.7))


def refusal(status: int, content: bytes) -> Refused:
    """The service's own words for a no."""
    try:
        answer = msgspec.json.decode(content)
        return Refused(answer["code"], status=status, **answer.get("facts", {}))
    except (msgspec.DecodeError, KeyError, TypeError):
        return Refused("refused", status=status, body=content[:200].decode(errors="replace"))
