"""A control room: the real board on a real database, engine and assigner on a virtual clock, real HTTP on loopback."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from dispatch.board.api import BOARD, make_app
from dispatch.board.deps import Board, BoardDeps
from dispatch.board.passwords import hash_password
from dispatch.board.sessions import make_link
from dispatch.clock import VirtualClock, limit
from dispatch.engine import Engine
from dispatch.incident.policy import Policies, read_policies
from dispatch.model import Alarm, IncidentId, Key, TerminalId, WorkerId
from dispatch.router.assigner import Assigner
from dispatch.store.accounts import add_account
from dispatch.store.database import Database

START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
WITHIN_S = 10.0
HEADERS = {"X-Requested-With": "onekey"}

REGISTER = """
INSERT INTO station VALUES ('S1', '一号站', 24.480, 118.100);
INSERT INTO home (home_id, address, lat, lon, station_id, access) VALUES
    ('H1', '松柏路1号502', 24.481, 118.101, 'S1', '{"floor": 5, "has_lift": false, "door_code": "1357#"}'),
    ('H2', '松柏路20号', 24.482, 118.102, 'S1', '{}'), ('H3', '50% lane_x', NULL, NULL, NULL, '{}');
INSERT INTO elder (elder_id, name, birth_year, phone, risks, note) VALUES
    ('E1', '王秀兰', 1944, '13800000001', '{heart,lives_alone}', '青霉素过敏'),
    ('E2', '陈建国', 1940, NULL, '{}', NULL), ('E3', '王秀英', 1950, '+86 592-555 0003', '{}', NULL);
INSERT INTO resident VALUES ('H1', 'E2', '2020-01-01', NULL), ('H1', 'E1', '2020-01-01', NULL),
    ('H1', 'E3', '2019-01-01', '2019-12-31'), ('H2', 'E3', '2020-01-01', NULL);
INSERT INTO contact VALUES ('H1', 1, '王芳', 'daughter', '13900000001', true);
INSERT INTO terminal (terminal_id, phone) VALUES ('T1', '059212345678'), ('T2', NULL);
INSERT INTO terminal_home VALUES ('T1', 'H1', 'E1', '2026-01-01', NULL), ('T2', 'H2', NULL, '2026-01-01', NULL);
INSERT INTO worker (worker_id, name, station_id, travel, phone, skills, is_on_duty) VALUES
    ('W1', '张伟', 'S1', 'walk', '13700000001', '{first_aid}', true),
    ('W2', '刘洋', 'S1', 'ebike', '13700000002', '{first_aid}', true),
    ('W3', '赵敏', 'S1', 'car', '13700000003', '{first_aid}', true),
    ('W4', '孙丽', 'S1', 'walk', '13700000004', '{}', false);
"""


class Answered(msgspec.Struct, frozen=True):
    """A status and the body, whatever it was."""

    status: int
    body: Any

    @property
    def code(self) -> str:
        """The code of a refusal."""
        return str(self.body["code"])


class Stream:
    """An open WebSocket, read frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def next(self, kind: str | None = None) -> dict[str, Any]:
        """The next frame, or the next of a kind."""
        async with limit(WITHIN_S):
            while True:
                frame: dict[str, Any] = msgspec.json.decode(await self.socket.receive_str())
                if kind is None or frame["type"] == kind:
                    return frame

    async def until(self, is_it: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first frame that fits."""
        while True:
            frame = await self.next()
            if is_it(frame):
                return frame


@dataclass
class Browser:
    """One person's page."""

    url: str
    http: aiohttp.ClientSession

    async def ask(self, method: str, path: str, body: object = None, **more: Any) -> Answered:
        """One request to the API."""
        more.setdefault("headers", HEADERS)
        async with self.http.request(method, f"{self.url}/api/v1{path}", json=body, **more) as answer:
            assert answer.content_type == "application/json", await answer.text()
            return Answered(answer.status, msgspec.json.decode(await answer.read()))

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.body

    async def post(self, path: str, body: object = None) -> Any:
        """What a successful POST gives."""
        answer = await self.ask("POST", path, {} if body is None else body)
        assert answer.status == 200, answer
        return answer.body

    async def refused(self, path: str, body: object = None) -> Answered:
        """The refusal of a POST."""
        answer = await self.ask("POST", path, {} if body is None else body)
        assert answer.status >= 400, answer
        return answer

    async def stream(self, path: str) -> Stream:
        return Stream(await self.http.ws_connect(f"{self.url}/api/v1{path}", max_msg_size=0))


@dataclass
class Room:
    """Everything that a test may touch."""

    database: Database
    clock: VirtualClock
    engine: Engine
    assigner: Assigner
    board: Board
    runner: web.AppRunner
    url: str
    pages: list[aiohttp.ClientSession] = field(default_factory=list)

    def browser(self) -> Browser:
        """A page on which nobody is signed in."""
        http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.pages.append(http)
        return Browser(self.url, http)

    async def enter(self, *, account: str | None = None, worker_id: str | None = None) -> Browser:
        """A page on which somebody has come in by a link."""
        async with self.database.connection() as connection:
            worker = WorkerId(worker_id) if worker_id else None
            token = await make_link(connection, self.clock, account=account, worker_id=worker)
        browser = self.browser()
        async with browser.http.get(f"{self.url}/enter/{token}", allow_redirects=False) as answer:
            assert answer.status == 302
        return browser

    async def operator(self, name: str = "li") -> Browser:
        return await self.enter(account=name)

    async def phone(self, worker_id: str) -> Browser:
        return await self.enter(worker_id=worker_id)

    async def press(self, terminal: str = "T1", key: Key = Key.SOS, alarm_id: str = "a1", **more: Any) -> IncidentId:
        """A key is pressed; the incident it opened or joined."""
        digest = hashlib.sha256(f"{terminal}{alarm_id}{key}{more}".encode()).digest()
        alarm = Alarm(TerminalId(terminal), alarm_id, key, self.clock.now(), digest, **more)
        [outcome] = await self.engine.raise_alarms([alarm])
        assert outcome.incident is not None
        return outcome.incident.id

    async def offered(self, terminal: str = "T1", key: Key = Key.SOS) -> tuple[IncidentId, dict[str, str]]:
        """A press whose call has been offered: the incident, and the offer of each worker asked."""
        incident_id = await self.press(terminal, key)
        await self.assigner.step()
        return incident_id, await self.offers(incident_id)

    async def offers(self, incident_id: IncidentId) -> dict[str, str]:
        """The open offers of an incident, by worker."""
        rows = await self.fetch(
            "SELECT worker_id, assignment_id FROM assignment WHERE incident_id = $1 AND state = 'offered'", incident_id
        )
        return {worker_id: str(offer_id) for worker_id, offer_id in rows}

    async def pass_s(self, seconds: float) -> None:
        """Let time pass and fire what is due."""
        await self.clock.advance(seconds)
        rows = await self.fetch("SELECT incident_id FROM incident WHERE due_at IS NOT NULL")
        await self.engine.fire_due(IncidentId(row[0]) for row in rows)

    async def follow(self, seconds: float) -> None:
        """Let time pass, and have every board and phone brought up to date."""
        await self.clock.advance(seconds)
        await self.board.feed.step()

    def leap(self, by: timedelta) -> None:
        """Let days pass in which nobody woke."""
        self.clock._now += by

    def leap_s(self, seconds: float) -> None:
        """The same for seconds."""
        self.leap(timedelta(seconds=seconds))

    async def fetch(self, query: str, *args: object) -> list[Any]:
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *args)]


@pytest.fixture(scope="session")
def policies() -> Policies:
    text = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
    return read_policies(text, "default_policy.toml")


@pytest.fixture(scope="session")
def password_hash() -> str:
    return hash_password("correct horse")


@pytest.fixture
def static(tmp_path: Path) -> Path:
    """Built pages, as small as they come."""
    (tmp_path / "assets").mkdir()
    for name in ("board.html", "worker.html", "assets/app-1a2b.js"):
        (tmp_path / name).write_text(name)
    return tmp_path


@pytest_asyncio.fixture
async def room(dsn: str, policies: Policies, password_hash: str, static: Path) -> AsyncIterator[Room]:
    clock = VirtualClock(START, seed=1)
    database = Database(dsn, size=8)
    async with database.connection() as connection:
        await connection.execute(REGISTER)
        for name, role in (("li", "operator"), ("chen", "operator"), ("boss", "supervisor"), ("bureau", "auditor")):
            await add_account(connection, name, role=role, password_hash=password_hash, language="zh", now=START)
    engine = Engine(database, clock, policies, term=lambda: 1)
    await engine.prepare()
    async with database.connection() as connection:
        await connection.execute("INSERT INTO lease VALUES (1, 'tests', 1, $1)", START)
    assigner = Assigner(database, clock, engine)
    engine.listen(assigner.on_committed)
    app = make_app(
        BoardDeps(
            database=database,
            clock=clock,
            engine=engine,
            candidates=assigner.candidates,
            pick_by_hand=assigner.pick_by_hand,
            on_duty=assigner.on_duty,
            on_place=assigner.on_place,
            is_leading=lambda: True,
            centre_id="c1",
            time_zone="Asia/Shanghai",
            static=static,
        )
    )
    committing = asyncio.create_task(engine.run())
    runner = web.AppRunner(app, shutdown_timeout=1, handler_cancellation=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    room = Room(database, clock, engine, assigner, app[BOARD], runner, f"http://127.0.0.1:{port}")
    yield room
    for page in room.pages:
        await page.close()
    await runner.cleanup()
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    await database.close()
