"""The database away for minutes while people go on pressing: `python -m simulator.outage --minutes 10 --presses 4000`.

Real PostgreSQL (stopped), real Mosquitto, the real service, a board. Most messages are repeats, as terminals repeat
until they hear `stored`. Prints one JSON object: how soon each home stood on the board, and what was lost or doubled.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import aiomqtt
import asyncpg
import msgspec
import typer

from dispatch import logs
from dispatch.app import Service, build
from dispatch.clock import Clock, SystemClock, limit
from dispatch.settings import Http, Mqtt, Settings, Watch
from dispatch.store.database import migrate
from simulator import town as towns
from simulator.live_client import LiveClient
from simulator.loading import load
from simulator.reach import Reach
from simulator.servers import MosquittoServer, PostgresServer
from simulator.servers.place import LINK
from simulator.tickets import let_in_operator

if TYPE_CHECKING:
    from collections.abc import Iterator

CENTRE = "outage"
REPEAT_AFTER_S = (1, 2, 4, 8, 16, 32)
REPEAT_EVERY_S = 60
BACK_WITHIN_S = 120
HOMES_PER_PRESS = 0.1
SEED = 7


@dataclass(frozen=True, order=True)
class Message:
    """One publish: so many seconds after the outage began."""

    at_s: float
    terminal_id: str
    alarm_id: str


@dataclass
class Board:
    """What an operator's page saw, in seconds since the outage began."""

    shown_s: dict[str, float] = field(default_factory=dict)
    most_lines: int = 0
    most_used: int = 0
    is_waiting: bool = False

    def take(self, frame: dict[str, Any], at_s: float) -> None:
        if frame["type"] != "unstored":
            return
        for line in frame["lines"]:
            self.shown_s.setdefault(line["terminal_id"], at_s)
        self.most_lines = max(self.most_lines, len(frame["lines"]))
        self.most_used = max(self.most_used, frame["used"])
        self.is_waiting = bool(frame["lines"] or frame["away_since"])


def schedule(terminal_ids: list[str], presses: int, seconds: float, clock: Clock) -> list[Message]:
    """So many messages in all: presses at any time but the last tenth, each repeated as the contract says."""
    chance, messages, number = clock.chances("outage"), list[Message](), 0
    while len(messages) < presses:
        number += 1
        at_s, step = chance.uniform(0, 0.9 * seconds), 0
        terminal_id = chance.choice(terminal_ids)
        while at_s < seconds and len(messages) < presses:
            messages.append(Message(at_s, terminal_id, f"a{number}"))
            at_s += REPEAT_AFTER_S[step] if step < len(REPEAT_AFTER_S) else REPEAT_EVERY_S
            step += 1
    return sorted(messages)


async def outage(minutes: float, presses: int) -> dict[str, Any]:
    """Play it; what came of it."""
    clock = SystemClock()
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(PostgresServer(stack.enter_context(_kept()) / "postgres"))
        broker = await stack.enter_async_context(MosquittoServer())
        dsn = await postgres.create_database("outage")
        await migrate(dsn)
        town = towns.build(SEED, towns.Size(homes=max(50, round(presses * HOMES_PER_PRESS))))
        await load(town, dsn)
        service = await _service(dsn, broker, clock, stack)
        client = await _operator(dsn, service, broker, clock, stack)
        board, began = Board(), asyncio.get_running_loop().create_future()
        watching = asyncio.ensure_future(_watch(client, board, clock, began))
        stack.callback(watching.cancel)
        await _known(service, len(town.terminals), clock)
        messages = schedule([each.id for each in town.terminals], presses, minutes * 60, clock)
        await postgres.stop()
        began.set_result(clock.elapsed())
        await _publish(messages, broker, clock)
        used, homes = board.most_used, len({each.terminal_id for each in messages})
        back_s = clock.elapsed()
        await postgres.start()
        await _over(board, clock)
        took_s = clock.elapsed() - back_s
        return _figures(messages, board) | {
            "homes": homes,
            "most_unacknowledged": used,
            "back_to_normal_s": round(took_s, 2),
            **await _count(dsn, messages),
        }


@contextmanager
def _kept() -> Iterator[Path]:
    """A folder whose server may be started again on its files; the superuser's servers keep theirs elsewhere."""
    with tempfile.TemporaryDirectory(prefix="outage-") as folder:
        yield Path(folder)
        for link in Path(folder).rglob(LINK):
            shutil.rmtree(link.readlink())


async def _service(dsn: str, broker: MosquittoServer, clock: Clock, stack: AsyncExitStack) -> Service:
    settings = Settings(
        centre_id=CENTRE,
        database_url=dsn,
        mqtt=Mqtt(port=broker.port),
        http=Http(port=0),
        watch=Watch(no_board_after_s=0, nobody_answers_after_s=0),
    )
    service = await build(settings, clock)
    await service.start()
    stack.push_async_callback(service.stop)
    async with limit(BACK_WITHIN_S):
        while (await service.readiness()).missing:
            await clock.sleep(0.1)
    return service


async def _operator(
    dsn: str, service: Service, broker: MosquittoServer, clock: Clock, stack: AsyncExitStack
) -> LiveClient:
    connection = await asyncpg.connect(dsn)
    token = await let_in_operator(connection, clock, "operator", "onekey-outage")
    await connection.close()
    client = LiveClient(Reach(broker.port, f"http://127.0.0.1:{service.http_port}", CENTRE), clock, "operator")
    stack.push_async_callback(client.close)
    await client.enter(token)
    return client


async def _watch(client: LiveClient, board: Board, clock: Clock, began: asyncio.Future[float]) -> None:
    async for content in client.frames("/stream"):
        if began.done():
            board.take(msgspec.json.decode(content), clock.elapsed() - began.result())


async def _known(service: Service, terminals: int, clock: Clock) -> None:
    async with limit(BACK_WITHIN_S):
        while len(service.watching.homes) < terminals:
            await clock.sleep(0.1)


async def _publish(messages: list[Message], broker: MosquittoServer, clock: Clock) -> None:
    began_s = clock.elapsed()
    async with aiomqtt.Client("127.0.0.1", broker.port) as client:
        for each in messages:
            await clock.sleep(each.at_s - (clock.elapsed() - began_s))
            press = {"id": each.alarm_id, "at": "2026-01-01T12:00:00+08:00", "key": "sos"}
            topic = f"onekey/1/{CENTRE}/{each.terminal_id}/alarm"
            await client.publish(topic, msgspec.json.encode(press), qos=1)


async def _over(board: Board, clock: Clock) -> None:
    async with limit(BACK_WITHIN_S):
        while board.is_waiting:
            await clock.sleep(0.05)


def _figures(messages: list[Message], board: Board) -> dict[str, Any]:
    first: dict[str, float] = {}
    for each in messages:
        first.setdefault(each.terminal_id, each.at_s)
    late = sorted(board.shown_s[each] - at_s for each, at_s in first.items() if each in board.shown_s)
    return {
        "messages": len(messages),
        "presses": len({each.alarm_id for each in messages}),
        "most_lines": board.most_lines,
        "never_shown": len(first) - len(late),
        "shown_after_s_p50": round(late[len(late) // 2], 3) if late else None,
        "shown_after_s_max": round(late[-1], 3) if late else None,
    }


async def _count(dsn: str, messages: list[Message]) -> dict[str, int]:
    connection = await asyncpg.connect(dsn)
    query = "SELECT terminal_id, alarm_id, count(*), count(DISTINCT incident_id) FROM alarm GROUP BY 1, 2"
    found = {(row[0], row[1]): (row[2], row[3]) for row in await connection.fetch(query)}
    await connection.close()
    sent = {(each.terminal_id, each.alarm_id) for each in messages}
    doubled = sum(rows > 1 or incidents > 1 for rows, incidents in found.values())
    return {"lost": len(sent - found.keys()), "duplicated": doubled}


def main(
    minutes: Annotated[float, typer.Option(help="How long the database is away.")] = 10.0,
    presses: Annotated[int, typer.Option(help="How many messages, repeats among them.")] = 4000,
) -> None:
    """The database away while people press: who stands on the board, and what is lost."""
    logs.set_up("critical")
    found = asyncio.run(outage(minutes, presses))
    print(json.dumps(found), flush=True)
    sys.exit(1 if found["lost"] or found["duplicated"] or found["never_shown"] else 0)


if __name__ == "__main__":
    typer.run(main)
