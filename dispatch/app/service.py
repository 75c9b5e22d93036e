"""One process of the centre: serves pages and people's answers always, and dispatches while it holds the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from pathlib import Path

import asyncpg
from aiohttp import web

from dispatch import board, logs, tls
from dispatch.app.leading import Leading
from dispatch.app.parts import Parts, make_parts
from dispatch.app.running import keep_running
from dispatch.app.watching import Watching
from dispatch.board.api import BOARD, KEEP_ALIVE_S, make_app
from dispatch.board.deps import BoardDeps, Watched
from dispatch.board.health import Readiness, add_health_routes, missing_of
from dispatch.board.outage_messages import Unstored
from dispatch.clock import Clock, limit
from dispatch.devices.kinds import Lane
from dispatch.engine import Committed
from dispatch.errors import BadSettings, Refused, Unreachable
from dispatch.ingest.lanes import LIMITS
from dispatch.metrics import Now
from dispatch.model import IncidentId, WorkerId
from dispatch.notify.channels import Means, open_channels
from dispatch.notify.sender import Sender
from dispatch.settings import Settings
from dispatch.store import watching
from dispatch.store.outbox import Finished, OutboxMessage

LOOK_AGAIN_S = 1.0
HTTP_STOP_S = 1.0
SETTLE_WITHIN_S = 0.5
log = logs.get("app")


class Service:
    """The whole process. `start` returns when pages are served; `stop` when everything has ended."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.leading: Leading | None = None
        self.http_port = 0
        """The port that pages are served on, once started (the settings may say 0, any)."""
        self._is_open = False
        self._why_not: dict[str, str] = {}
        self._oldest_unsent_s: float | None = None
        self._running: asyncio.Task[None] | None = None
        self.watching = Watching(parts, self._open_boards, self._shown_s)
        self._app = self._make_app()
        self._runner = web.AppRunner(
            self._app, access_log=None, keepalive_timeout=KEEP_ALIVE_S, shutdown_timeout=HTTP_STOP_S
        )
        self.sender = self._make_sender()
        parts.engine.listen(self._send, is_first=True)  # an elder waits for what it sends
        parts.engine.listen_to_doubt(self.sender.look_again)

    # --- building -----------------------------------------------------------------------------------------------

    def _make_app(self) -> web.Application:
        parts, settings = self.parts, self.parts.settings
        app = make_app(
            BoardDeps(
                database=parts.databases.board,
                clock=parts.clock,
                engine=parts.engine,
                candidates=parts.assigner.candidates,
                pick_by_hand=parts.assigner.pick_by_hand,
                on_duty=parts.assigner.on_duty,
                on_place=parts.assigner.on_place,
                is_leading=lambda: parts.lease.term is not None,
                centre_id=settings.centre_id,
                time_zone=settings.time_zone,
                unstored=self._waiting,
                watched=self._watched,
                static=Path(board.__file__).parent / "static",
                is_https=settings.public_url.startswith("https"),
            )
        )
        add_health_routes(app, parts.clock, self.readiness, self.scrape)
        return app

    def _open_boards(self) -> int:
        return self._app[BOARD].feed.acting

    def _shown_s(self, incident_id: IncidentId) -> float | None:
        return self._app[BOARD].feed.shown_s(incident_id)

    def _watched(self) -> Watched:
        return self.watching.watched() if self.leading is not None else Watched()

    def _waiting(self, now: datetime, is_away: bool) -> Unstored | None:
        if self.leading is None:
            return None
        used = self.leading.lanes.connections[Lane.ALARMS].unacknowledged
        window = LIMITS[Lane.ALARMS].receive_maximum
        return self.watching.waiting(now, is_away=is_away, used=used, window=window)

    def _make_sender(self) -> Sender:
        parts = self.parts
        means = Means(
            centre_id=parts.settings.centre_id,
            now=parts.clock.now,
            publish=self._publish,
            name_of=self._name_of,
            show=self._app[BOARD].show,
        )
        return Sender(
            parts.databases.router, parts.clock, open_channels(means), parts.lease.is_fresh, self._on_finished
        )

    def _send(self, committed: Committed) -> None:
        """The leader sends at once; what another process commits, the leader finds in the outbox."""
        if self.leading is not None:
            self.sender.on_committed(committed)

    def _on_finished(self, message: OutboxMessage, finished: Finished) -> None:
        self.parts.metrics.finished(message, finished, self.parts.clock.now())

    def _name_of(self, worker_id: WorkerId) -> str | None:
        return self.parts.assigner.names.get(worker_id)

    def _publish(self, topic: str, payload: bytes, expiry_s: int) -> Awaitable[object]:
        if self.leading is None:
            return _fail(Unreachable("not_leading"))
        return self.leading.lanes.connections[Lane.HOUSEKEEPING].publish(topic, payload, expiry_s=expiry_s)

    # --- running ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Serve pages, and begin everything else. Raises Refused (`port_busy`) or BadSettings."""
        http = self.parts.settings.http
        certificate = tls.for_pages(http)
        await self._runner.setup()
        site = web.TCPSite(self._runner, http.host, http.port, ssl_context=certificate)
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise Refused("port_busy", host=http.host, port=http.port, reason=error.strerror) from None
        self.http_port = self._runner.addresses[0][1]
        log.info("pages_served", host=http.host, port=self.http_port)
        self._running = asyncio.ensure_future(self._run())

    async def wait(self) -> None:
        """Return only if everything has ended by itself, which is a fault."""
        assert self._running is not None
        await asyncio.shield(self._running)

    async def _run(self) -> None:
        parts = self.parts
        await self._open()
        async with asyncio.TaskGroup() as tasks:
            loops = (("engine", parts.engine.run), ("lead", self._lead), ("rooms", self.watching.rooms.run))
            for name, run in loops:
                tasks.create_task(keep_running(name, run, parts.clock, parts.metrics.failed), name=name)

    async def _open(self) -> None:
        """Wait for a database of our version, and keep the policies in force there."""
        while not self._is_open:
            try:
                async with self.parts.databases.board.connection() as connection:
                    await watching.expect_schema(connection)
                await self.parts.engine.prepare()
            except (Unreachable, BadSettings) as error:
                self._not_yet(error.say())
            except asyncpg.PostgresError as error:  # a wrong password, no such database
                self._not_yet(str(error))
            else:
                self._is_open, self._why_not = True, {}
                return
            await self.parts.clock.sleep(LOOK_AGAIN_S)

    def _not_yet(self, reason: str) -> None:
        if self._why_not.get("database") != reason:
            log.warning("waiting_for_database", reason=reason)
        self._why_not = {"database": reason}

    async def _lead(self) -> None:
        """Stand by, lead, and stand by again for as long as the process lives."""
        lease = self.parts.lease
        self.parts.lock.is_ours()  # so that the next process of this instance can tell that we have ended
        while True:
            term = await lease.win()
            self.leading = Leading(self.parts, self.sender, self.watching, term)
            try:
                await lease.lead(asyncio.ensure_future(self.leading.run()))
            finally:
                self.leading = None
            log.warning("stands_by", term=term)

    # --- stopping -----------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """End everything: pages close, what is under way is finished, and no row stays locked.

        Terminals hear `lost` from our will if nobody takes over within its delay.
        """
        log.info("stopping")
        await asyncio.gather(self._runner.cleanup(), self._stop_running())
        await asyncio.gather(*(database.close() for database in self.parts.databases.all()))
        self.parts.lock.release()
        log.info("stopped")

    async def _stop_running(self) -> None:
        try:
            async with limit(SETTLE_WITHIN_S):
                await self.parts.engine.settled()
        except TimeoutError:
            log.warning("not_settled", items=self.parts.engine.backlog)
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    # --- how it is ----------------------------------------------------------------------------------------------

    @property
    def role(self) -> str:
        """`starting` until the database is there, then `standby` or `leader`."""
        if not self._is_open:
            return "starting"
        return "standby" if self.leading is None else "leader"

    async def readiness(self) -> Readiness:
        """What `/readyz` says."""
        reasons, now = dict(self._why_not), self.parts.clock.now()
        unsent_s = receipt_unsent_s = lag_s = None
        try:
            async with self.parts.databases.board.connection() as connection:
                await watching.expect_answer(connection)
                if self._is_open:
                    look = await watching.look(connection)
                    unsent_s, receipt_unsent_s = age_s(now, look.unsent_since), age_s(now, look.receipt_unsent_since)
                    lag_s = age_s(now, look.next_due_at)
            is_up = True
        except (Unreachable, asyncpg.PostgresError) as error:
            is_up = False
            reasons.setdefault("database", str(error))
        self._oldest_unsent_s = unsent_s
        broker = self._lanes()
        watched = self.watching.watcher.missing() if self.leading is not None else {}
        missing = missing_of(
            role=self.role,
            database=is_up,
            broker=broker,
            receipt_unsent_s=receipt_unsent_s,
            lag_s=lag_s,
            watched=watched,
        )
        return Readiness(
            role=self.role,
            database=is_up,
            broker=broker,
            oldest_unsent_outbox_s=unsent_s,
            timer_lag_s=lag_s,
            canary_age_s=self.watching.canary_age_s(now) if self.leading is not None else None,
            missing=missing,
            reasons=reasons | self._broker_says() | watched,
        )

    def _lanes(self) -> dict[str, bool]:
        if self.leading is None:
            return {}
        return {lane.value: link.is_connected for lane, link in self.leading.lanes.connections.items()}

    def _broker_says(self) -> dict[str, str]:
        if self.leading is None:
            return {}
        links = self.leading.lanes.connections.items()
        return {f"broker_{lane.value}": link.broker_says for lane, link in links if link.broker_says}

    def scrape(self) -> bytes:
        """What `/metrics` says."""
        lanes = self.leading.lanes if self.leading is not None else None
        return self.parts.metrics.scrape(
            Now(
                is_leading=lanes is not None,
                engine_backlog=self.parts.engine.backlog,
                oldest_unsent_s=self._oldest_unsent_s,
                viewers=len(self._app[BOARD].feed),
                lanes={lane.value: link.counts for lane, link in lanes.connections.items()} if lanes else {},
                lane_waiting={lane.value: intake.waiting for lane, intake in lanes.intakes.items()} if lanes else {},
                lane_connected=self._lanes(),
                canary_age_s=self.watching.canary_age_s(self.parts.clock.now()),
                troubles=self._watched().troubles,
            )
        )


async def _fail(error: Unreachable) -> None:
    raise error


async def build(settings: Settings, clock: Clock) -> Service:
    """A service ready to be started. Raises BadSettings."""
    return Service(make_parts(settings, clock))


def age_s(now: datetime, since: datetime | None) -> float:
    """Seconds since then; 0 if that is still to come, or if there is nothing."""
    return max(0.0, (now - since).total_seconds()) if since else 0.0
