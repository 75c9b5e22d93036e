"""For machines that watch machines: is the process alive, can it do its work, and its metrics."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import msgspec
from aiohttp import web

from dispatch.clock import Clock

ASKED_AT_MOST_EVERY_S = 1.0
"""However often somebody asks, the database is asked once a second."""
UNSENT_MAX_S = 30.0
LAG_MAX_S = 5.0


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """What `/readyz` says. `missing` names, as codes, all that keeps this process from its work; empty is ready.

    `broker` tells for each lane whether it hears; a standby has none, as the lanes belong to the leader.
    `oldest_unsent_outbox_s` is the age of the oldest message not yet sent; `timer_lag_s` how
    long ago the earliest clock should have fired; `canary_age_s` how long ago the last test press was heard all the
    way. None is unknown.
    """

    role: str
    database: bool
    broker: dict[str, bool]
    oldest_unsent_outbox_s: float | None
    timer_lag_s: float | None
    canary_age_s: float | None = None
    missing: tuple[str, ...]
    reasons: dict[str, str] = {}


def missing_of(
    *,
    role: str,
    database: bool,
    broker: dict[str, bool],
    receipt_unsent_s: float | None,
    lag_s: float | None,
    watched: Iterable[str] = (),
) -> tuple[str, ...]:
    """Codes of what is not as it should be; `watched` are those of the leader's own watcher."""
    missing = [] if database else ["database"]
    if role == "starting":
        missing.append("start")
    if role == "leader":
        missing += [f"broker_{lane}" for lane, is_connected in broker.items() if not is_connected]
        missing += [] if broker else ["broker"]
        missing += ["outbox"] if (receipt_unsent_s or 0) > UNSENT_MAX_S else []
        missing += ["timers"] if (lag_s or 0) > LAG_MAX_S else []
        missing += watched
    return tuple(missing)


class _Once:
    """Asks at most once in a while, and gives the last answer in between."""

    def __init__(self, ask: Callable[[], Awaitable[Readiness]], clock: Clock) -> None:
        self._ask = ask
        self._clock = clock
        self._last: tuple[float, Readiness] | None = None

    async def answer(self) -> Readiness:
        now_s = self._clock.elapsed()
        if self._last is None or now_s - self._last[0] >= ASKED_AT_MOST_EVERY_S:
            self._last = now_s, await self._ask()
        return self._last[1]


def add_health_routes(
    app: web.Application, clock: Clock, readiness: Callable[[], Awaitable[Readiness]], metrics: Callable[[], bytes]
) -> None:
    """`/healthz`: the loop turns. `/readyz`: 200 if this process can do its work, else 503, with what is missing.
    `/metrics`: for Prometheus. None of them names a person, and nobody need sign in.
    """
    once = _Once(readiness, clock)

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        ready = await once.answer()
        body = msgspec.json.encode(ready)
        return web.Response(status=503 if ready.missing else 200, body=body, content_type="application/json")

    async def scrape(_request: web.Request) -> web.Response:
        await once.answer()
        return web.Response(body=metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
