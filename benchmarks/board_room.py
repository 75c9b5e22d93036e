"""What the board is measured on: homes with open calls, whoever looks, and two ways for the log to grow."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiomqtt
import msgspec

from benchmarks.register import terminal_id
from benchmarks.stand import CENTRE
from dispatch.clock import limit
from dispatch.errors import Unreachable

if TYPE_CHECKING:
    import asyncpg

    from benchmarks.processes import LoadProcess
    from benchmarks.stand import Service, Stand
    from dispatch.clock import Clock

OPENED_WITHIN_S = 60.0
SEEN_WITHIN_S = 30.0
BATCH_EVERY_S = 0.02
TOKEN = "measured-board"
PATH = "/api/v1/stream"

OPEN = "SELECT count(*) FROM incident WHERE origin = 'terminal' AND closed_at IS NULL"
CALLS = "SELECT incident_id FROM incident WHERE origin = 'terminal' AND closed_at IS NULL ORDER BY incident_id"
ENTRIES = """SELECT seq, incident_id::text AS call, extract(epoch FROM at)::float8 AS at_s FROM incident_log
    WHERE seq > $1 ORDER BY seq"""
LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM incident_log"
ACCOUNT = "INSERT INTO account (name, role, password_hash, created_at) VALUES ('bench', 'operator', '-', $1)"
SESSION = "INSERT INTO session (token_hash, account, created_at, expires_at) VALUES ($1, 'bench', $2, $3)"
CHANGE = "UPDATE incident SET version = version + 1 WHERE incident_id = ANY ($1::uuid[])"
LOG = """INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
    SELECT incident_id, $2, 'noted', 'bench', 'waiting', 0, 0, '{}' FROM unnest($1::uuid[]) AS new (incident_id)"""
"""The last statement before its commit, as in the engine, and from one writer: its order is the order of commits."""


@dataclass(frozen=True)
class Plan:
    """How many look; how many calls are open; rounds and seconds of each, and of those for the latency, with
    so many entries a second.
    """

    viewers: int = 800
    calls: int = 1_000
    rounds: int = 5
    round_s: float = 5.0
    latency_s: float = 5.0
    latency_per_s: float = 100.0


@dataclass
class Room:
    """Everything that is measured with."""

    plan: Plan
    on: Stand
    service: Service
    load: LoadProcess
    database: asyncpg.Connection[Any]
    clock: Clock
    calls: list[Any] = field(default_factory=list)
    presses: int = 0
    turn: int = 0


async def sign_in(room: Room) -> None:
    """An operator is signed in, as whom everybody looks."""
    now = room.clock.now()
    await room.database.execute(ACCOUNT, now)
    token_hash = hashlib.sha256(TOKEN.encode()).digest()
    await room.database.execute(SESSION, token_hash, now, now + timedelta(days=1))


async def press(room: Room, count: int, per_s: float | None = None) -> None:
    """Press at one home after the other, round and round; each press is a new one."""
    began_s = room.clock.elapsed()
    async with aiomqtt.Client("127.0.0.1", room.on.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for n in range(count):
            if per_s is not None:
                await room.clock.sleep(max(0.0, began_s + n / per_s - room.clock.elapsed()))
            topic = f"onekey/1/{CENTRE}/{terminal_id(room.presses % room.plan.calls)}/alarm"
            said = {"id": f"board-{room.presses}", "at": room.clock.now().isoformat(), "key": "service"}
            room.presses += 1
            await client.publish(topic, msgspec.json.encode(said), qos=1)


async def until_open(room: Room) -> None:
    """Return when every home has its call. Raises Unreachable if that takes too long."""
    try:
        async with limit(OPENED_WITHIN_S):
            while await room.database.fetchval(OPEN) < room.plan.calls:
                await room.clock.sleep(0.1)
    except TimeoutError:
        raise Unreachable("calls_not_open", wanted=room.plan.calls) from None


async def look(room: Room) -> None:
    """Everybody opens the board and has seen it."""
    await room.load.ask(
        "open",
        port=int(room.service.url.rpartition(":")[2]),
        path=PATH,
        cookie=f"onekey_session={TOKEN}",
        viewers=room.plan.viewers,
        only_counts=False,
    )
    await until_seen(room)


async def until_seen(room: Room) -> int:
    """Return the last entry when everybody has seen it. Raises Unreachable if somebody never does."""
    last = int(await room.database.fetchval(LAST_SEQ))
    answer = await room.load.ask("until", seq=last, within_s=SEEN_WITHIN_S)
    if answer["behind"]:
        raise Unreachable("viewers_stay_behind", viewers=answer["behind"], seq=last)
    return last


async def commit(room: Room, per_s: float, seconds: float) -> None:
    """Commit so many entries a second, in a batch every 20 ms; each changes a call."""
    size = max(1, round(per_s * BATCH_EVERY_S))
    began_s = room.clock.elapsed()
    for n in range(round(seconds / BATCH_EVERY_S)):
        await room.clock.sleep(max(0.0, began_s + n * BATCH_EVERY_S - room.clock.elapsed()))
        ids = [room.calls[(room.turn + each) % len(room.calls)] for each in range(size)]
        room.turn += size
        async with room.database.transaction():
            await room.database.execute(CHANGE, sorted(ids))
            await room.database.execute(LOG, ids, room.clock.now())
