"""`board`: 800 people look at one board; what they are told, and how soon, beside `ws` sending each of them the same.

*Latency*: terminals press again at homes with open calls, so that the log grows by about 100 entries a second on the
real way (broker, rules, commit); from the instant the entry carries, which is before its commit, until each viewer has
the last byte. *Saturation*: entries are committed straight into the database, faster and faster, and calls change with
them, until viewers no longer get every change; rounds at the best rate alternate with `ws` broadcasting one message an
entry, as long as our frame of one change is. In one more round a viewer stops reading for a while.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import aiomqtt
import asyncpg
import msgspec

from benchmarks.figures import circumstances, median
from benchmarks.processes import LoadProcess, allow_open_files, cpu_s, load_process
from benchmarks.register import terminal_id
from benchmarks.stand import CENTRE, Service, Stand, stand
from benchmarks.ws_peer import WsPeer, ws_peer
from dispatch.clock import limit
from dispatch.errors import Unreachable

if TYPE_CHECKING:
    from dispatch.clock import Clock

RATIO_AIM_MIN = 1.2
LATE_AIM_MAX_MS = 150.0
OPENED_WITHIN_S = 60.0
SEEN_WITHIN_S = 30.0
BATCH_EVERY_S = 0.02
TOKEN = "measured-board"
PATH = "/api/v1/stream"
RATES_PER_S = (250, 500, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000)
ENOUGH = 0.95
"""A rate is kept up with if this share of it was delivered by its end, and nobody was given a whole picture."""

OPEN = "SELECT count(*) FROM incident WHERE origin = 'terminal' AND closed_at IS NULL"
CALLS = "SELECT incident_id FROM incident WHERE origin = 'terminal' AND closed_at IS NULL ORDER BY incident_id"
ENTRIES = "SELECT seq, extract(epoch FROM at)::float8 AS at_s FROM incident_log WHERE seq > $1 ORDER BY seq"
LAST_SEQ = "SELECT coalesce(max(seq), 0) FROM incident_log"
ACCOUNT = "INSERT INTO account (name, role, password_hash, created_at) VALUES ('bench', 'operator', '-', $1)"
SESSION = "INSERT INTO session (token_hash, account, created_at, expires_at) VALUES ($1, 'bench', $2, $3)"
CHANGE = "UPDATE incident SET version = version + 1 WHERE incident_id = ANY ($1::uuid[])"
LOG = """INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
    SELECT incident_id, $2, 'noted', 'bench', 'waiting', 0, 0, '{}' FROM unnest($1::uuid[]) AS new (incident_id)"""
"""The last statement before its commit, as in the engine, and from one writer: its order is the order of commits."""


@dataclass(frozen=True)
class Plan:
    """How many look; how many calls are open; rounds and seconds of each; entries a second for the latency."""

    viewers: int = 800
    calls: int = 1_000
    rounds: int = 5
    round_s: float = 5.0
    latency_s: float = 20.0
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


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run the whole measurement. Raises Refused or Unreachable."""
    allow_open_files(2 * plan.viewers)
    async with stand(clock) as on, load_process("benchmarks.board_load") as load, ws_peer() as peer:
        await on.make_template(plan.calls, workers=0)
        async with on.database("board") as dsn, on.service(dsn) as service:
            connection = await asyncpg.connect(dsn, timeout=10)
            try:
                room = Room(plan, on, service, load, connection, clock)
                figures = await _measure(room, peer)
            finally:
                await connection.close(timeout=5)
    return _result(plan, figures) | circumstances(clock)


async def _measure(room: Room, peer: WsPeer) -> dict[str, Any]:
    await _sign_in(room)
    await _press(room, room.plan.calls)
    await _until_open(room)
    room.calls = [row["incident_id"] for row in await room.database.fetch(CALLS)]
    await _look(room)
    latency = await _latency(room)
    size = await _size_of_one(room)
    best_per_s, ramp = await _ramp(room)
    stalled = await _stall(room, best_per_s)
    ours, theirs = [], []
    for _ in range(room.plan.rounds):
        ours.append(await _burst(room, best_per_s))
        theirs.append(await _peer(room, peer, size))
    return {
        "latency": latency,
        "bytes_of_one": size,
        "offered_per_s": best_per_s,
        "ramp": ramp,
        "stalled": stalled,
        "ours": ours,
        "peer": theirs,
    }


# --- the town


async def _sign_in(room: Room) -> None:
    now = room.clock.now()
    await room.database.execute(ACCOUNT, now)
    token_hash = hashlib.sha256(TOKEN.encode()).digest()
    await room.database.execute(SESSION, token_hash, now, now + timedelta(days=1))


async def _press(room: Room, count: int, per_s: float | None = None) -> None:
    """Press at one home after the other, round and round; each press is a new one."""
    began_s = room.clock.elapsed()
    async with aiomqtt.Client("127.0.0.1", room.on.broker.port, protocol=aiomqtt.ProtocolVersion.V5) as client:
        for n in range(count):
            if per_s is not None:
                await room.clock.sleep(max(0.0, began_s + n / per_s - room.clock.elapsed()))
            topic = f"onekey/1/{CENTRE}/{terminal_id(room.presses % room.plan.calls)}/alarm"
            said = {"id": f"board-{room.presses}", "at": room.clock.now().isoformat(), "key": "sos"}
            room.presses += 1
            await client.publish(topic, msgspec.json.encode(said), qos=1)


async def _until_open(room: Room) -> None:
    try:
        async with limit(OPENED_WITHIN_S):
            while await room.database.fetchval(OPEN) < room.plan.calls:
                await room.clock.sleep(0.1)
    except TimeoutError:
        raise Unreachable("calls_not_open", wanted=room.plan.calls) from None


async def _look(room: Room) -> None:
    """Everybody opens the board and has seen it."""
    await room.load.ask(
        "open",
        port=int(room.service.url.rpartition(":")[2]),
        path=PATH,
        cookie=f"onekey_session={TOKEN}",
        viewers=room.plan.viewers,
        only_counts=False,
    )
    await _until_seen(room)


async def _until_seen(room: Room) -> int:
    """Return the last entry when everybody has seen it. Raises Unreachable if somebody never does."""
    last = int(await room.database.fetchval(LAST_SEQ))
    answer = await room.load.ask("until", seq=last, within_s=SEEN_WITHIN_S)
    if answer["behind"]:
        raise Unreachable("viewers_stay_behind", viewers=answer["behind"], seq=last)
    return last


# --- ours


async def _latency(room: Room) -> dict[str, Any]:
    """Entries on the real way, at the rate of the plan, and how late each came to each viewer."""
    from_seqs = (await room.load.ask("forget"))["seqs"]
    last, used_s, began_s = await room.database.fetchval(LAST_SEQ), cpu_s(room.service.child.pid) or 0.0, _now_s(room)
    count = int(room.plan.latency_s * room.plan.latency_per_s)
    await _press(room, count, room.plan.latency_per_s)
    took_s = _now_s(room) - began_s
    rows = await room.database.fetch(ENTRIES, last)
    await _until_seen(room)
    entries = [(row["seq"], row["at_s"]) for row in rows]
    told = await room.load.ask("tell", entries=[seq for seq, _ in entries], from_seqs=from_seqs, began_s=began_s)
    late = await room.load.ask("late", entries=entries)
    used = (cpu_s(room.service.child.pid) or 0.0) - used_s
    return told | late | {"entries_per_s": len(entries) / took_s, "service_cpu_share": used / took_s}


async def _commit(room: Room, per_s: float, seconds: float) -> None:
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


async def _burst(room: Room, per_s: float, stalls: bool = False) -> dict[str, Any]:
    """Entries at a rate for a round: what was delivered by the time the last of them was there."""
    from_seqs = (await room.load.ask("forget"))["seqs"]
    last, began_s = await room.database.fetchval(LAST_SEQ), _now_s(room)
    used_s, load_s = cpu_s(room.service.child.pid) or 0.0, room.load.cpu_s
    if stalls:
        await room.load.ask("stall")
    await _commit(room, per_s, room.plan.round_s)
    committed_s = _now_s(room) - began_s
    if stalls:
        await room.load.ask("read_on")
    await _until_seen(room)
    entries = [row["seq"] for row in await room.database.fetch(ENTRIES, last)]
    told = await room.load.ask("tell", entries=entries, from_seqs=from_seqs, began_s=began_s)
    return told | {
        "per_s": told["delivered"] / max(told["seconds"], committed_s),
        "wanted_per_s": len(entries) * room.plan.viewers / committed_s,
        "service_cpu_s": (cpu_s(room.service.child.pid) or 0.0) - used_s,
        "load_generator_cpu_s": room.load.cpu_s - load_s,
    }


async def _ramp(room: Room) -> tuple[float, list[dict[str, float]]]:
    """The rate of entries at which most are delivered, trying faster and faster until viewers fall behind."""
    tried: list[dict[str, float]] = []
    for per_s in RATES_PER_S:
        told = await _burst(room, per_s)
        tried.append({"offered_per_s": per_s, "delivered_per_s": round(told["per_s"]), "pictures": sum(told["jumps"])})
        if told["per_s"] < ENOUGH * told["wanted_per_s"] or sum(told["jumps"]):
            break
    best = max(tried, key=lambda each: each["delivered_per_s"])
    return best["offered_per_s"], tried


async def _stall(room: Room, best_per_s: float) -> dict[str, Any]:
    """One viewer stops reading while entries come; afterwards it has seen the last of them as well."""
    told = await _burst(room, best_per_s, stalls=True)
    first, *others = told["jumps"]
    return {"pictures": first, "pictures_of_others": sum(others), "gaps": told["gaps"], "per_s": told["per_s"]}


def _now_s(room: Room) -> float:
    return room.clock.now().timestamp()


# --- the peer


async def _peer(room: Room, peer: WsPeer, size: int) -> dict[str, Any]:
    """Messages of the same length to as many clients, as fast as they take them; our viewers are idle meanwhile."""
    async with load_process("benchmarks.board_load") as load:
        await load.ask("open", port=peer.port, path="/", cookie="none=0", viewers=room.plan.viewers, only_counts=True)
        used_s, load_s = cpu_s(peer.pid) or 0.0, load.cpu_s
        sending = asyncio.create_task(peer.broadcast(size, room.plan.round_s))
        counted = await load.ask("rate", seconds=room.plan.round_s - 0.5)
        await sending
        await load.ask("leave")
        framed = size + (2 if size < 126 else 4 if size < 65_536 else 10)
        return {
            "per_s": counted["bytes"] / framed / counted["seconds"],
            "bytes": counted["bytes"],
            "peer_cpu_s": (cpu_s(peer.pid) or 0.0) - used_s,
            "load_generator_cpu_s": load.cpu_s - load_s,
        }


async def _size_of_one(room: Room) -> int:
    """Bytes of our frame of one entry, as a viewer gets it when nothing else changes."""
    await _until_seen(room)
    await room.load.ask("forget")
    sizes = []
    for _ in range(5):
        await room.load.ask("forget")
        await _commit(room, 1.0, BATCH_EVERY_S)
        await _until_seen(room)
        told = await room.load.ask("tell", entries=[], from_seqs=[0] * room.plan.viewers, began_s=0.0)
        sizes.append(told["bytes"] / max(1, told["frames"]))
    return round(median(sizes)) - 4


def _result(plan: Plan, figures: dict[str, Any]) -> dict[str, Any]:
    latency, stalled = figures["latency"], figures["stalled"]
    ours, peer = (
        median([each["per_s"] for each in figures["ours"]]),
        median([each["per_s"] for each in figures["peer"]]),
    )
    ratio, gaps = (
        round(ours / peer, 2),
        latency["gaps"] + stalled["gaps"] + sum(each["gaps"] for each in figures["ours"]),
    )
    is_right = not gaps and stalled["pictures"] > 0 and stalled["pictures_of_others"] == 0 and not latency["lost"]
    return {
        "name": "board",
        "viewers": plan.viewers,
        "open_calls": plan.calls,
        "rounds": plan.rounds,
        **_of_latency(latency),
        "bytes_of_one_entry": figures["bytes_of_one"],
        "offered_entries_per_s": figures["offered_per_s"],
        "ramp": figures["ramp"],
        "ours_by_round": [round(each["per_s"]) for each in figures["ours"]],
        "peer_by_round": [round(each["per_s"]) for each in figures["peer"]],
        "ours_mb_per_s": median([each["bytes"] / 1e6 / plan.round_s for each in figures["ours"]]),
        "peer_mb_per_s": median([each["bytes"] / 1e6 / (plan.round_s - 0.5) for each in figures["peer"]]),
        "service_cpu_s": median([each["service_cpu_s"] for each in figures["ours"]]),
        "peer_cpu_s": median([each["peer_cpu_s"] for each in figures["peer"]]),
        "load_generator_cpu_s": median([each["load_generator_cpu_s"] for each in figures["ours"]]),
        "gaps": gaps,
        "stalled_viewer_pictures": stalled["pictures"],
        "others_pictures_meanwhile": stalled["pictures_of_others"],
        "delivered_per_s_meanwhile": round(stalled["per_s"]),
        "unit": "entries delivered per second",
        "ours": round(ours),
        "peer": round(peer),
        "ratio": ratio,
        "aim": f">= {RATIO_AIM_MIN} x ws; p99 at 100 entries/s <= {LATE_AIM_MAX_MS:.0f} ms; "
        "one that stops reading gets a whole picture, without a gap, and slows nobody",
        "met": is_right and ratio >= RATIO_AIM_MIN and latency["p99_ms"] <= LATE_AIM_MAX_MS,
    }


def _of_latency(latency: dict[str, Any]) -> dict[str, Any]:
    return {
        "latency_entries_per_s": round(latency["entries_per_s"], 1),
        "latency_p50_ms": round(latency["p50_ms"], 1),
        "latency_p99_ms": round(latency["p99_ms"], 1),
        "latency_max_ms": round(latency["max_ms"], 1),
        "latency_worst_viewer_p99_ms": round(latency["worst_viewer_p99_ms"], 1),
        "latency_service_cpu_share": round(latency["service_cpu_share"], 2),
    }
