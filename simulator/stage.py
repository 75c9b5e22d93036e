"""Everything that the town plays on: the two servers, a database with the town in it, and `dispatch serve`.

All of it is started and ended here, listens on the loopback, and keeps its files below one folder (or in a place that
is removed at the end).
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import asyncpg

from dispatch.errors import Unreachable
from dispatch.model import Home, HomeId, Terminal, TerminalId
from dispatch.store.database import migrate
from simulator.loading import load
from simulator.past import remember
from simulator.reach import Reach
from simulator.servers import MosquittoServer, PostgresServer
from simulator.servers.child import Child
from simulator.servers.ports import choose_port, is_free

if TYPE_CHECKING:
    from dispatch.clock import Clock
    from simulator.town import Town

CHECKOUT = Path(__file__).resolve().parents[1]
CENTRE = "demo"
CANARY_TERMINAL = "canary"
HTTP_PORT = 8080
ANSWERS_WITHIN_S = 2.0


@dataclass(frozen=True)
class Plan:
    """What to build up. `kept_in` None is a place that is removed at the end; `fresh` wipes a kept one first.

    `has_past`: a new town's frail people have been measured for a month.
    """

    town: Town
    policy_file: Path
    logs_in: Path
    kept_in: Path | None = None
    fresh: bool = False
    http_port: int | None = None
    has_past: bool = False


@dataclass(frozen=True)
class Stage:
    """What stands: how to reach it, its database, the service's program, and how many rows of the town were new."""

    reach: Reach
    dsn: str
    service: Child
    new_rows: int


async def build_up(plan: Plan, clock: Clock, stack: AsyncExitStack) -> Stage:
    """Start everything and return when the service says that it is ready; `stack` ends it again, last first.

    Raises Refused or Unreachable with what to do about it.
    """
    postgres = PostgresServer(plan.kept_in / "postgres" if plan.kept_in else None)
    await postgres.start(fresh=plan.fresh)
    stack.push_async_callback(postgres.stop)
    broker = MosquittoServer(plan.kept_in / "mosquitto" if plan.kept_in else None)
    await broker.start(fresh=plan.fresh)
    stack.push_async_callback(broker.stop)
    dsn = await _database(postgres, f"town_{plan.town.seed}")
    await migrate(dsn)
    new_rows = await load(_with_canary(plan.town), dsn)
    if plan.has_past and new_rows:
        await remember(dsn, plan.town, clock)  # before anybody sums up what there is
    port = choose_http_port(plan.http_port)
    reach = Reach(mqtt_port=broker.port, http_url=f"http://127.0.0.1:{port}", centre_id=CENTRE)
    service = _start_service(plan, reach, dsn, port)
    stack.push_async_callback(service.stop)
    await service.until_ready(lambda: is_ready(reach.http_url), clock)
    return Stage(reach, dsn, service, new_rows)


def choose_http_port(wanted: int | None) -> int:
    """The wanted port (refused by name if it is busy); without one 8080, or any free one if that is busy."""
    if wanted is None and is_free(HTTP_PORT):
        return HTTP_PORT
    return choose_port(wanted, "dispatch serve")


def _with_canary(town: Town) -> Town:
    """The town, and a home in which nobody lives, with the terminal on which the service presses its test key."""
    home = Home(HomeId("canary"), "自检终端 · self-test")
    terminal = Terminal(TerminalId(CANARY_TERMINAL), home.id)
    return replace(town, homes=(*town.homes, home), terminals=(*town.terminals, terminal))


async def _database(postgres: PostgresServer, name: str) -> str:
    try:
        return await postgres.create_database(name)
    except asyncpg.DuplicateDatabaseError:
        return postgres.dsn(name)


def _start_service(plan: Plan, reach: Reach, dsn: str, port: int) -> Child:
    service = Child("dispatch serve", plan.logs_in / "dispatch.log", user=None, stop_signal=signal.SIGTERM)
    settings = {
        "DISPATCH_CENTRE_ID": reach.centre_id,
        "DISPATCH_DATABASE_URL": dsn,
        "DISPATCH_MQTT_HOST": reach.mqtt_host,
        "DISPATCH_MQTT_PORT": str(reach.mqtt_port),
        "DISPATCH_HTTP_PORT": str(port),
        "DISPATCH_POLICY_FILE": str(plan.policy_file),
        "DISPATCH_WATCH_CANARY_TERMINAL": CANARY_TERMINAL,
    }
    ours = {name: value for name, value in os.environ.items() if not name.startswith("DISPATCH_")}
    service.start([sys.executable, "-m", "dispatch", "serve"], ours | {"PYTHONPATH": str(CHECKOUT)} | settings)
    return service


async def is_ready(http_url: str) -> bool:
    """Whether the service says that all its parts work."""
    timeout = aiohttp.ClientTimeout(total=ANSWERS_WITHIN_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{http_url}/readyz") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def until_ended(service: Child, clock: Clock) -> None:
    """Raise Unreachable (`service_ended`) with the service's last words as soon as it has ended by itself."""
    while service.is_running:
        await clock.sleep(0.2)
    raise Unreachable("service_ended", log=str(service.log), last_words=service.last_words())
