"""A real Chromium in front of the real service: `dispatch serve` as a process on PostgreSQL and Mosquitto."""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from dispatch.clock import SystemClock
from dispatch.model import WorkerId
from simulator.servers.child import Child
from simulator.servers.ports import choose_port
from simulator.stage import CHECKOUT, is_ready
from simulator.tickets import let_in_operator, let_in_workers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page

    from simulator.servers import MosquittoServer, PostgresServer

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PASSWORD = "correct horse"
DESK = {"width": 1920, "height": 1080}
PHONE = {"width": 390, "height": 844}
PLACE = {"latitude": 24.4805, "longitude": 118.1005}

REGISTER = """
INSERT INTO station VALUES ('S1', '一号站', 24.480, 118.100);
INSERT INTO home (home_id, address, lat, lon, station_id, access) VALUES
    ('H1', '松柏路1号502', 24.481, 118.101, 'S1', '{"floor": 5, "has_lift": false, "door_code": "1357#"}'),
    ('H2', '松柏路20号', 24.482, 118.102, 'S1', '{}'), ('H3', '文园里3号101', 24.483, 118.103, 'S1', '{}');
INSERT INTO elder (elder_id, name, birth_year, phone, risks) VALUES
    ('E1', '王秀兰', 1944, '13800000001', '{heart,lives_alone}'),
    ('E2', '陈建国', 1940, NULL, '{}'), ('E3', '林玉珍', 1950, '13800000003', '{falls}');
INSERT INTO resident VALUES ('H1', 'E1', '2020-01-01', NULL), ('H2', 'E2', '2020-01-01', NULL),
    ('H3', 'E3', '2020-01-01', NULL);
INSERT INTO contact VALUES ('H1', 1, '王芳', 'daughter', '13900000001', true);
INSERT INTO terminal (terminal_id, phone) VALUES ('T1', '059212345678'), ('T2', NULL), ('T3', NULL);
INSERT INTO terminal_home VALUES ('T1', 'H1', 'E1', '2026-01-01', NULL), ('T2', 'H2', NULL, '2026-01-01', NULL),
    ('T3', 'H3', NULL, '2026-01-01', NULL);
INSERT INTO worker (worker_id, name, station_id, travel, phone, skills, is_on_duty) VALUES
    ('W1', '张伟', 'S1', 'walk', '13700000001', '{first_aid}', true),
    ('W2', '刘洋', 'S1', 'ebike', '13700000002', '{first_aid}', true),
    ('W3', '孙丽', 'S1', 'walk', '13700000003', '{}', false);
"""


@dataclass
class Centre:
    """A running service with three homes, three workers and two operators (李敏, 陈晨)."""

    centre_id: str
    dsn: str
    broker: MosquittoServer
    browser: Browser
    log: Path
    port: int = 0
    service: Child | None = None
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What the pages wrote to the console as errors: a broken content policy, an exception nobody caught."""
    presses: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    """Variables beside the usual ones."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the service, on the port it had before if it had one, and wait until it is ready."""
        self.port = self.port or choose_port(None, "dispatch serve")
        settings = {
            "DISPATCH_CENTRE_ID": self.centre_id,
            "DISPATCH_DATABASE_URL": self.dsn,
            "DISPATCH_MQTT_PORT": str(self.broker.port),
            "DISPATCH_HTTP_PORT": str(self.port),
            "DISPATCH_INSTANCE": self.centre_id,
            "DISPATCH_WATCH_NO_BOARD_AFTER_S": "0",  # tests have their boards open now and then
        }
        self.service = Child("dispatch serve", self.log, user=None, stop_signal=signal.SIGTERM)
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT)} | settings | self.settings
        self.service.start([sys.executable, "-m", "dispatch", "serve"], environment)
        await self.service.until_ready(lambda: is_ready(self.url))

    async def link(self, *, worker_id: str | None = None, account: str = "李敏") -> str:
        """A sign-in link for a worker or an operator."""
        connection = await asyncpg.connect(self.dsn)
        try:
            if worker_id is None:
                token = await let_in_operator(connection, SystemClock(), account, PASSWORD)
            else:
                token = (await let_in_workers(connection, SystemClock(), [WorkerId(worker_id)]))[WorkerId(worker_id)]
        finally:
            await connection.close()
        return f"{self.url}/enter/{token}"

    async def page(self, size: dict[str, int] | None = None, *, language: str = "zh", **more: Any) -> Page:
        """An empty page of a browser of its own, in which nobody is signed in."""
        locale = "zh-CN" if language == "zh" else "en-GB"
        viewport: Any = size or DESK
        context = await self.browser.new_context(viewport=viewport, locale=locale, reduced_motion="reduce", **more)
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        page = await context.new_page()
        page.on("console", self._listen)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def _listen(self, message: ConsoleMessage) -> None:
        # Refused requests and lost links are told in words on the page; Chromium writes them to the console as well.
        expected = ("Failed to load resource", "WebSocket connection to")
        if message.type == "error" and not message.text.startswith(expected):
            self.complaints.append(message.text)

    async def board(self, account: str = "李敏", **more: Any) -> Page:
        """The board, with an operator signed in by a link."""
        page = await self.page(**more)
        await page.goto(await self.link(account=account))
        await page.locator(".connection-live").wait_for()
        return page

    async def phone(self, worker_id: str, **more: Any) -> Page:
        """A worker's page on a phone that knows where it is."""
        page = await self.page(PHONE, has_touch=True, geolocation=PLACE, permissions=["geolocation"], **more)
        await page.goto(await self.link(worker_id=worker_id))
        await page.locator(".link-good").wait_for()
        return page

    async def clear(self) -> None:
        """Close every page and every call, so that the next test begins with an empty board and free workers."""
        for context in self.contexts:
            await context.close()
        self.contexts.clear()
        context = await self.browser.new_context(extra_http_headers={"X-Requested-With": "onekey"})
        await context.request.get(await self.link())
        api = f"{self.url}/api/v1"
        for card in (await (await context.request.get(f"{api}/board")).json())["incidents"]:
            if card["closed_at"] is None:
                path = f"{api}/incidents/{card['incident_id']}"
                for each in card["assignments"]:
                    await context.request.post(f"{path}/release", data={"offer_id": each["offer_id"]})
                await context.request.post(f"{path}/close", data={"outcome": "test"})
        await context.close()

    async def press(self, terminal: str, key: str = "sos", **more: Any) -> None:
        """A key is pressed at a home: the terminal's own message, through the broker."""
        self.presses += 1
        now = SystemClock().now().isoformat()
        alarm = {"id": f"a{self.presses}", "at": now, "key": key} | more
        await self.say(terminal, "alarm", alarm)

    async def say(self, terminal: str, topic: str, payload: object) -> None:
        """What a terminal says, through the broker."""
        async with aiomqtt.Client("127.0.0.1", self.broker.port) as client:
            await client.publish(f"onekey/1/{self.centre_id}/{terminal}/{topic}", json.dumps(payload), qos=1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium_running(chromium: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def centre_started(
    postgres: PostgresServer,
    template: str,
    broker: MosquittoServer,
    chromium_running: Browser,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Centre]:
    """One service for all browser tests: starting it costs more than most of them."""
    dsn = await postgres.create_database("browser", template)
    connection = await asyncpg.connect(dsn)
    await connection.execute(REGISTER)
    await connection.close()
    log = tmp_path_factory.mktemp("browser") / "dispatch.log"
    running = Centre("browser", dsn, broker, chromium_running, log)
    await running.start()
    yield running
    assert running.service is not None
    await running.service.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def centre_running(centre_started: Centre) -> AsyncIterator[Centre]:
    """The running service, with nothing on its board."""
    centre_started.complaints.clear()
    yield centre_started
    await centre_started.clear()
    assert not centre_started.complaints
