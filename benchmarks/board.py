"""`board`: 800 people look at one board; what they are told, and how soon, beside `ws` sending each of them the same.

*Latency*: terminals press again at homes with open calls, so that the log grows by about 100 entries a second on the
real way (broker, rules, commit); from the instant the entry carries, which is before its commit, until each viewer has
the last byte; in rounds. *Saturation*: entries are committed straight into the database, faster and faster, and calls
change with them, until viewers no longer get every change; several of one call in one frame count once. Rounds at the
best rate alternate with `ws` broadcasting one message an entry, as long as our frame of one change is. At last one
viewer stops reading for a while.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.board_room import (
    BATCH_EVERY_S,
    CALLS,
    ENTRIES,
    LAST_SEQ,
    Plan,
    Room,
    commit,
    look,
    press,
    sign_in,
    until_open,
    until_seen,
)
from benchmarks.figures import circumstances, median
from benchmarks.processes import allow_open_files, cpu_s, load_process
from benchmarks.stand import stand
from benchmarks.ws_peer import WsPeer, ws_peer

if TYPE_CHECKING:
    from dispatch.clock import Clock

RATIO_AIM_MIN = 1.2
LATE_AIM_MAX_MS = 150.0
ENTRIES_OF_A_PRESS = 2
"""At a home with an open call that waits for somebody."""

RATES_PER_S = (250, 500, 1_000, 1_500, 2_000, 3_000, 4_000, 6_000)
WORSE = 0.9
"""Trying faster and faster ends where so much less is delivered than at best, or somebody gets a whole picture."""

LATE = ("entries_per_s", "p50_ms", "p99_ms", "max_ms", "worst_viewer_p99_ms", "service_cpu_share")
"""Told of the latency, each the middle of the rounds."""

SLOWER_MAX, SLOWER_MAX_MS = 1.2, 20.0
"""Others' 99 % may be so much worse while one stops reading, which is what it differs by itself from time to time."""

STALLED_ROUNDS = 3
"""What the kernel keeps for one that does not read is some megabytes: this long, so that more comes than that."""


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
    await sign_in(room)
    await press(room, room.plan.calls)
    await until_open(room)
    room.calls = [row["incident_id"] for row in await room.database.fetch(CALLS)]
    await look(room)
    latency = [await _latency(room) for _ in range(room.plan.rounds)]
    size = await _size_of_one(room)
    best_per_s, ramp = await _ramp(room)
    stalled = await _stall(room, best_per_s)
    ours, theirs = [], []
    for _ in range(room.plan.rounds):
        ours.append(await _burst(room, best_per_s))
        theirs.append(await _peer(room, peer, size))
    gathered = round(sum(each["bytes"] for each in ours) / sum(each["frames"] for each in ours))
    return {
        "gathered_bytes": gathered,
        "gathered": await _peer(room, peer, gathered),
        "latency": latency,
        "bytes_of_one": size,
        "offered_per_s": best_per_s,
        "ramp": ramp,
        "stalled": stalled,
        "ours": ours,
        "peer": theirs,
    }


# --- ours


async def _latency(room: Room) -> dict[str, Any]:
    """Entries on the real way, at the rate of the plan, and how late each came to each viewer."""
    from_seqs = (await room.load.ask("forget"))["seqs"]
    last, used_s, began_s = await room.database.fetchval(LAST_SEQ), cpu_s(room.service.child.pid) or 0.0, _now_s(room)
    count = int(room.plan.latency_s * room.plan.latency_per_s / ENTRIES_OF_A_PRESS)
    await press(room, count, room.plan.latency_per_s / ENTRIES_OF_A_PRESS)
    took_s = _now_s(room) - began_s
    rows = await room.database.fetch(ENTRIES, last)
    await until_seen(room)
    told = await room.load.ask("tell", entries=_with_calls(rows), from_seqs=from_seqs, began_s=began_s)
    late = await room.load.ask("late", entries=[(row["seq"], row["at_s"]) for row in rows])
    used = (cpu_s(room.service.child.pid) or 0.0) - used_s
    return told | late | {"entries_per_s": len(rows) / took_s, "service_cpu_share": used / took_s}


async def _burst(room: Room, per_s: float, *, rounds: int = 1, stalls: bool = False) -> dict[str, Any]:
    """Entries at a rate for a round: what was delivered by the time the last of them was there."""
    seconds = room.plan.round_s * rounds
    from_seqs = (await room.load.ask("forget"))["seqs"]
    last, began_s = await room.database.fetchval(LAST_SEQ), _now_s(room)
    used_s, load_s = cpu_s(room.service.child.pid) or 0.0, room.load.cpu_s
    if stalls:
        await room.load.ask("stall")
    await commit(room, per_s, seconds)
    committed_s = _now_s(room) - began_s
    if stalls:
        await room.load.ask("read_on")
    await until_seen(room)
    rows = await room.database.fetch(ENTRIES, last)
    told = await room.load.ask("tell", entries=_with_calls(rows), from_seqs=from_seqs, began_s=began_s)
    late = await room.load.ask("late", entries=[(row["seq"], row["at_s"]) for row in rows], but=1)
    return told | {
        "others_p99_ms": late["p99_ms"],
        "per_s": told["delivered"] / max(told["seconds"], committed_s),
        "behind_s": told["seconds"] - committed_s,
        "service_cpu_s": (cpu_s(room.service.child.pid) or 0.0) - used_s,
        "load_generator_cpu_s": room.load.cpu_s - load_s,
    }


async def _ramp(room: Room) -> tuple[float, list[dict[str, float]]]:
    """The rate of entries at which most are delivered, trying faster and faster until viewers fall behind."""
    tried: list[dict[str, float]] = []
    for per_s in RATES_PER_S:
        told = await _burst(room, per_s)
        tried.append(
            {
                "offered_per_s": per_s,
                "delivered_per_s": round(told["per_s"]),
                "behind_s": round(told["behind_s"], 2),
                "pictures": sum(told["jumps"]),
            }
        )
        best = max(tried, key=lambda each: each["delivered_per_s"])
        if told["per_s"] < WORSE * best["delivered_per_s"] or sum(told["jumps"]):
            break
    best = max((each for each in tried if not each["pictures"]), key=lambda each: each["delivered_per_s"])
    return best["offered_per_s"], tried


async def _stall(room: Room, best_per_s: float) -> dict[str, Any]:
    """One viewer stops reading while entries come at half the best rate; afterwards it has seen the last as well.

    What it does to the others shows beside a time at the same rate in which everybody reads.
    """
    per_s = best_per_s / 2
    before = await _burst(room, per_s, rounds=STALLED_ROUNDS)
    told = await _burst(room, per_s, rounds=STALLED_ROUNDS, stalls=True)
    first, *others = told["jumps"]
    return {
        "pictures": first,
        "pictures_of_others": sum(others),
        "gaps": before["gaps"] + told["gaps"],
        "others_p99_ms": told["others_p99_ms"],
        "others_p99_ms_before": before["others_p99_ms"],
        "slows_nobody": told["others_p99_ms"] <= SLOWER_MAX * before["others_p99_ms"] + SLOWER_MAX_MS,
    }


def _with_calls(rows: list[asyncpg.Record]) -> list[tuple[int, str]]:
    return [(row["seq"], row["call"]) for row in rows]


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
    await until_seen(room)
    await room.load.ask("forget")
    sizes = []
    for _ in range(5):
        await room.load.ask("forget")
        await commit(room, 1.0, BATCH_EVERY_S)
        await until_seen(room)
        told = await room.load.ask("tell", entries=[], from_seqs=[0] * room.plan.viewers, began_s=0.0)
        sizes.append(told["bytes"] / max(1, told["frames"]))
    return round(median(sizes)) - 4


def _result(plan: Plan, figures: dict[str, Any]) -> dict[str, Any]:
    latency, stalled = figures["latency"], figures["stalled"]
    gaps = sum(each["gaps"] for each in [*latency, stalled, *figures["ours"]])
    p99_ms = median([each["p99_ms"] for each in latency])
    ours, peer = (
        median([each["per_s"] for each in figures["ours"]]),
        median([each["per_s"] for each in figures["peer"]]),
    )
    ratio, lost = round(ours / peer, 2), sum(each["lost"] for each in latency)
    is_right = not gaps and stalled["pictures"] > 0 and stalled["pictures_of_others"] == 0 and not lost
    is_right = is_right and stalled["slows_nobody"]
    return {
        "name": "board",
        "viewers": plan.viewers,
        "open_calls": plan.calls,
        "rounds": plan.rounds,
        **_told(plan, figures),
        "gaps": gaps,
        "unit": "changes delivered per second",
        "ours": round(ours),
        "peer": round(peer),
        "ratio": ratio,
        "aim": f">= {RATIO_AIM_MIN} x ws; p99 at 100 entries/s <= {LATE_AIM_MAX_MS:.0f} ms; "
        "one that stops reading gets a whole picture, without a gap, and slows nobody",
        "met": is_right and ratio >= RATIO_AIM_MIN and p99_ms <= LATE_AIM_MAX_MS,
    }


def _told(plan: Plan, figures: dict[str, Any]) -> dict[str, Any]:
    latency, stalled = figures["latency"], figures["stalled"]
    return {
        **{f"latency_{name}": median([each[name] for each in latency]) for name in LATE},
        "bytes_of_one_entry": figures["bytes_of_one"],
        "offered_entries_per_s": figures["offered_per_s"],
        "ramp": figures["ramp"],
        "ours_by_round": [round(each["per_s"]) for each in figures["ours"]],
        "peer_by_round": [round(each["per_s"]) for each in figures["peer"]],
        "ours_mb_per_s": median([each["bytes"] / 1e6 / plan.round_s for each in figures["ours"]]),
        "peer_mb_per_s": median([each["bytes"] / 1e6 / (plan.round_s - 0.5) for each in figures["peer"]]),
        "bytes_of_our_frame": figures["gathered_bytes"],
        "peer_mb_per_s_in_frames_as_long": round(figures["gathered"]["bytes"] / 1e6 / (plan.round_s - 0.5), 2),
        "service_cpu_s": median([each["service_cpu_s"] for each in figures["ours"]]),
        "peer_cpu_s": median([each["peer_cpu_s"] for each in figures["peer"]]),
        "load_generator_cpu_s": median([each["load_generator_cpu_s"] for each in figures["ours"]]),
        "stalled_viewer_pictures": stalled["pictures"],
        "others_pictures_meanwhile": stalled["pictures_of_others"],
        "others_p99_ms_meanwhile": round(stalled["others_p99_ms"], 1),
        "others_p99_ms_before": round(stalled["others_p99_ms_before"], 1),
    }
