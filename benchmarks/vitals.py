"""`vitals`: readings from a thousand topics as fast as the broker takes them, each acknowledged after its commit.

Beside it Mosquitto's own C client, which only receives the same stream. Both are told of the same number of messages;
the rate is that number by the time from the first publish until the last message is through: for us in a day's table
and acknowledged, for the C client received. Rounds of the two take turns, and the one that begins takes turns as well.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.figures import Rounds, circumstances
from benchmarks.processes import LoadProcess, Meter, load_process
from benchmarks.readings import Readings
from benchmarks.stand import Service, Stand, stand
from dispatch.errors import Unreachable
from simulator.servers.mosquitto import find_program

if TYPE_CHECKING:
    from dispatch.clock import Clock

AIM_MIN = 0.8
PEER_CENTRE = "peers"
"""As long as ours: the same bytes in every topic, and none of them for the service."""

PEER_WINDOW = 4_000
"""As many unacknowledged messages as our lane for readings allows; by itself the C client allows 20, and is slower."""

PUBLISHERS = 10
ROUND_WITHIN_S = 120.0
COUNT = "SELECT count(*) FROM vitals"


@dataclass(frozen=True)
class Plan:
    """How many topics, how many readings a round, how many rounds, over how many connections.

    Rounds are short, so that both sides see the same machine; together they are 30 s and more of either at full speed.
    """

    topics: int = 1_000
    readings: int = 150_000
    rounds: int = 15
    publishers: int = PUBLISHERS


async def measure(plan: Plan, clock: Clock) -> dict[str, Any]:
    """Run all rounds. Raises Refused or Unreachable."""
    async with stand(clock) as on, load_process("benchmarks.stream") as load:
        await on.make_template(plan.topics, 0)
        await load.ask("connect", mqtt_port=on.broker.port, publishers=plan.publishers)
        async with on.database("vitals") as dsn, on.service(dsn) as service:
            rounds = await take_turns(plan, on, load, service, dsn)
            missing = plan.readings * plan.rounds - await _stored(dsn)
    return _result(plan, rounds, missing) | circumstances(clock)


async def take_turns(plan: Plan, on: Stand, load: LoadProcess, service: Service, dsn: str) -> Rounds:
    """Rounds of both; before them one of each, a tenth as long, for who has just started is slower."""
    rounds = Rounds()
    warm = Plan(plan.topics, plan.readings // 10, 1, plan.publishers)
    await _ours(warm, on, load, service)
    await _peers(warm, on, load)
    connection = await asyncpg.connect(dsn, timeout=10)
    await connection.execute("TRUNCATE vitals")
    await connection.close(timeout=5)
    for number in range(plan.rounds):
        ours, peers = _ours(plan, on, load, service), _peers(plan, on, load)
        for turn in (ours, peers) if number % 2 == 0 else (peers, ours):
            await on.checkpoint()
            rounds.add(**await turn)
        _say(rounds)
    return rounds


async def _ours(plan: Plan, on: Stand, load: LoadProcess, service: Service) -> dict[str, float | None]:
    meter = Meter(service.child.pid, on.broker.pid, on.postgres.pid, load)
    took = await Readings(on, load, service, plan.topics).at_full_speed(plan.readings)
    return {"ours": took["stored_per_s"], "ours_published_per_s": took["published_per_s"], **meter.read()}


async def _peers(plan: Plan, on: Stand, load: LoadProcess) -> dict[str, float | None]:
    client = _subscribe(plan, on)
    try:
        await on.clock.sleep(0.5)  # it does not say when it has subscribed
        before_s = load.cpu_s
        answer = await load.ask(
            "publish", what="vitals", centre_id=PEER_CENTRE, terminals=plan.topics, count=plan.readings
        )
        if await asyncio.to_thread(client.wait, ROUND_WITHIN_S):
            raise Unreachable("no_message_came", client="mosquitto_sub")
        through_s = on.clock.elapsed()
    finally:
        client.kill()
        client.wait()
    return {
        "peer": plan.readings / (through_s - answer["began_s"]),
        "peer_published_per_s": plan.readings / (answer["confirmed_s"] - answer["began_s"]),
        "peer_load_generator_cpu_s": load.cpu_s - before_s,
    }


def _subscribe(plan: Plan, on: Stand) -> subprocess.Popen[bytes]:
    """The C client in a session of its own, which ends by itself after so many messages."""
    program, environment = find_program("mosquitto_sub")
    words = ["-h", "127.0.0.1", "-p", str(on.broker.port), "-V", "mqttv5", "-q", "1", "-i", "peer"]
    words += ["-D", "connect", "receive-maximum", str(PEER_WINDOW), "--nodelay", "-W", str(int(ROUND_WITHIN_S))]
    words += ["-t", f"onekey/1/{PEER_CENTRE}/+/vitals", "-C", str(plan.readings)]
    return subprocess.Popen([program, *words], env=environment, stdout=subprocess.DEVNULL, start_new_session=True)


async def _stored(dsn: str) -> int:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return int(await connection.fetchval(COUNT))
    finally:
        await connection.close(timeout=5)


def _say(rounds: Rounds) -> None:
    print(f"vitals: ours {rounds.last('ours'):,.0f}/s, C client {rounds.last('peer'):,.0f}/s", file=sys.stderr)


def _full_speed_s(plan: Plan, rounds: Rounds, name: str) -> float:
    """How long one side was measured, all rounds together."""
    return round(sum(plan.readings / per_s for per_s in rounds.figures[name]), 1)


def _result(plan: Plan, rounds: Rounds, missing: int) -> dict[str, Any]:
    ours, peer = rounds.middle("ours"), rounds.middle("peer")
    return {
        "name": "vitals",
        "topics": plan.topics,
        "readings_per_round": plan.readings,
        "rounds": plan.rounds,
        "ours_at_full_speed_s": _full_speed_s(plan, rounds, "ours"),
        "peer_at_full_speed_s": _full_speed_s(plan, rounds, "peer"),
        "publishers": plan.publishers,
        "missing": missing,
        "unit": "readings_per_s",
        "ours": ours,
        "ours_by_round": rounds.rounded("ours"),
        "peer": peer,
        "peer_by_round": rounds.rounded("peer"),
        "ratio": round(ours / peer, 2),
        "aim": f">= {AIM_MIN} x mosquitto_sub only receiving",
        "met": missing == 0 and ours >= AIM_MIN * peer,
        **rounds.middles("_published_per_s", "_cpu_s"),
    }
