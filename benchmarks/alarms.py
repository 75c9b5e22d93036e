"""`alarms`: a backlog of presses that the broker kept for us while we were away, until each is a call and acknowledged.

Rounds of three, each on fresh databases: the service; aiomqtt and asyncpg inserting one row a message, from a session
of their own; and the service's own rows in batches by bare asyncpg, without MQTT and rules. A rate counts from the
first that was seen done, so that nobody's start is in it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import Rounds, circumstances
from benchmarks.processes import LoadProcess, Meter, load_process
from benchmarks.rows import BATCH, Rows, read_rows, write_rows
from benchmarks.stand import CENTRE, Stand, stand
from dispatch.clock import limit
from dispatch.devices.kinds import Lane

if TYPE_CHECKING:
    from dispatch.clock import Clock

ONE_BY_ONE_AIM_MIN = 4.0
BARE_AIM_MIN = 0.5
PEER_CENTRE = "peers"
PUBLISHERS = 10
SESSION = f"{CENTRE}-{Lane.ALARMS.value}-0"
"""Client id of the service's connection for presses: what it finds there is what came while it was away."""

ROUND_WITHIN_S = 180.0
LOOK_EVERY_S = 0.02
QUIET_S = 0.5
NEWEST = "SELECT coalesce(max(number), 0) FROM incident"
COUNT = "SELECT count(*) FROM incident WHERE origin = 'terminal'"


@dataclass(frozen=True)
class Plan:
    """How many presses wait, how many of them for the peer that inserts one by one, how many workers and rounds."""

    presses: int = 60_000
    one_by_one: int = 10_000
    workers: int = 3_900
    rounds: int = 5


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all rounds. Raises Refused or Unreachable."""
    rounds = Rounds()
    async with (
        stand(clock) as on,
        load_process("benchmarks.stream") as load,
        load_process("benchmarks.aiomqtt_peer") as peer,
    ):
        await on.make_template(plan.presses, plan.workers)
        await load.ask("connect", mqtt_port=on.broker.port, publishers=PUBLISHERS)
        for number in range(1, plan.rounds + 1):
            rows = await _ours(plan, on, load, rounds, f"alarms{number}")
            await _one_by_one(plan, on, load, peer, rounds)
            await _bare(on, rounds, rows)
            _say(rounds)
    return _result(plan, rounds) | circumstances(clock)


async def _ours(plan: Plan, on: Stand, load: LoadProcess, rounds: Rounds, name: str) -> Rows:
    async with on.database(name) as dsn:
        await _let_wait(on, load, SESSION, CENTRE, plan.presses, name)
        async with on.service(dsn) as service:
            meter = Meter(service.child.pid, on.broker.pid, on.postgres.pid, load)
            rounds.add(**await _watch(plan, dsn, on.clock), **meter.read())
        left = await load.ask("left", mqtt_port=on.broker.port, client_id=SESSION, quiet_s=QUIET_S)
        rounds.missing += plan.presses - await _stored(dsn) + left["left"]
        return await read_rows(dsn)


async def _let_wait(on: Stand, load: LoadProcess, client_id: str, centre_id: str, presses: int, mark: str) -> None:
    """Have the broker keep so many presses in somebody's name."""
    topics = f"onekey/1/{centre_id}/+/alarm"
    await load.ask("session", mqtt_port=on.broker.port, client_id=client_id, topic_filter=topics)
    await load.ask("publish", what="sos", centre_id=centre_id, terminals=presses, count=presses, mark=mark)


async def _watch(plan: Plan, dsn: str, clock: Clock) -> dict[str, float | None]:
    """Calls a second, from the first look that found some until all were there; None if they never were."""
    connection = await asyncpg.connect(dsn, timeout=10)
    first: tuple[float, int] | None = None
    try:
        async with limit(ROUND_WITHIN_S):
            while True:
                count, at_s = await connection.fetchval(NEWEST), clock.elapsed()
                if first is None and count:
                    first = at_s, count
                if first is not None and count >= plan.presses and await connection.fetchval(COUNT) == plan.presses:
                    return {"ours": (plan.presses - first[1]) / max(1e-9, at_s - first[0])}
                await clock.sleep(LOOK_EVERY_S)
    except TimeoutError:
        return {"ours": None}
    finally:
        await connection.close(timeout=5)


async def _stored(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(await connection.fetchval(COUNT))
    finally:
        await connection.close(timeout=5)


async def _one_by_one(plan: Plan, on: Stand, load: LoadProcess, peer: LoadProcess, rounds: Rounds) -> None:
    async with on.database("onebyone") as dsn:
        await _let_wait(on, load, "peer", PEER_CENTRE, plan.one_by_one, "peer")
        before_s = peer.cpu_s
        port = on.broker.port
        answer = await peer.ask("drain", mqtt_port=port, client_id="peer", dsn=dsn, count=plan.one_by_one)
        rounds.add(
            one_by_one_presses_per_s=(plan.one_by_one - 1) / (answer["ended_s"] - answer["began_s"]),
            one_by_one_cpu_s=peer.cpu_s - before_s,
        )


async def _bare(on: Stand, rounds: Rounds, rows: Rows) -> None:
    async with on.database("bare") as dsn:
        rounds.add(bare_presses_per_s=await write_rows(dsn, rows, on.clock))


def _say(rounds: Rounds) -> None:
    told = ", ".join(f"{name} {rounds.last(name):,.0f}" for name in ("ours", "one_by_one_presses_per_s"))
    print(f"alarms: {told}, bare {rounds.last('bare_presses_per_s'):,.0f} presses/s", file=sys.stderr)


def _result(plan: Plan, rounds: Rounds) -> dict[str, Any]:
    ours, single = rounds.middle("ours"), rounds.middle("one_by_one_presses_per_s")
    bare = rounds.middle("bare_presses_per_s")
    is_whole = rounds.missing == 0 and len(rounds.figures["ours"]) == plan.rounds
    return {
        "name": "alarms",
        "presses": plan.presses,
        "free_workers": plan.workers,
        "rounds": plan.rounds,
        "missing": rounds.missing,
        "unit": "presses_per_s",
        "ours": ours,
        "ours_by_round": rounds.rounded("ours"),
        "peer": {"aiomqtt_one_row_a_message_per_s": single, "bare_asyncpg_presses_per_s": bare},
        "aiomqtt_messages": plan.one_by_one,
        "bare_asyncpg_batch": BATCH,
        "ratio": {"to_aiomqtt": round(ours / single, 2), "to_bare_asyncpg": round(ours / bare, 2)},
        "aim": f">= {ONE_BY_ONE_AIM_MIN} x aiomqtt one by one and >= {BARE_AIM_MIN} x bare asyncpg",
        "met": is_whole and ours >= ONE_BY_ONE_AIM_MIN * single and ours >= BARE_AIM_MIN * bare,
        **rounds.middles("_cpu_s"),
    }
