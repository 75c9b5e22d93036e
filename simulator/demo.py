"""`./run demo`: a whole centre with its town on this machine, for somebody to watch, or (headless) to prove itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from dispatch import logs
from dispatch.clock import Clock, SystemClock
from dispatch.errors import DispatchError
from simulator.happenings import Weather
from simulator.live import LiveTown
from simulator.live_client import LiveClient
from simulator.live_run import PASSWORD, Run, cast_of, play_and_count, report, say
from simulator.people import BRISK, UNHURRIED
from simulator.servers.mosquitto import UNPACKED
from simulator.stage import CHECKOUT, Plan, Stage, build_up, until_ended
from simulator.terminal import Say, Terminal, spoken
from simulator.tickets import let_in_operator, let_in_workers
from simulator.town import Town, build

if TYPE_CHECKING:
    from collections.abc import Callable

    from dispatch.model import WorkerId

DATA = CHECKOUT / ".data"
POLICIES = CHECKOUT / "simulator" / "policies"
VISITOR = "visitor"
CONNECTED = 120
"""Terminals that are connected; the others of the town are there to be pressed by hand."""

BUSY = Weather(
    presses_per_min=190, tests_per_min=6, readings_per_min=240, nonsense_per_min=6, cancelled=0.15, critical=0.03
)
QUIET = Weather(
    presses_per_min=5,
    tests_per_min=0.3,
    readings_per_min=60,
    nonsense_per_min=0.2,
    critical=0.002,
    declines_per_min=0.4,
)


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    fresh: bool = False
    headless: bool = False
    seconds: float = 40.0
    seed: int = 7
    http_port: int | None = None


def run(options: Options) -> int:
    """Run the demo and return the exit code; Ctrl-C or SIGTERM ends it in order."""
    logs.set_up("warning")
    with contextlib.suppress(KeyboardInterrupt):
        return asyncio.run(_stoppable(_headless(options) if options.headless else _watched(options)))
    return 0 if not options.headless else 130


async def _stoppable(play: object) -> int:
    task = asyncio.ensure_future(play)  # type: ignore[call-overload]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        return int(await task)
    except asyncio.CancelledError:
        say("everything that was started has been ended")
        return 130
    except DispatchError as error:
        say(error.say())
        return 1


# --- without a person -------------------------------------------------------------------------------------------------


async def _headless(options: Options) -> int:
    clock, town = SystemClock(), build(options.seed)
    logs_in = DATA / "headless"
    logs_in.mkdir(parents=True, exist_ok=True)
    policy = POLICIES / "brisk.toml"
    say(f"policy: {_shown(policy)}; logs: {_shown(logs_in)}")
    async with AsyncExitStack() as stack:
        stage = await build_up(Plan(town, policy, logs_in, http_port=options.http_port), clock, stack)
        _keep(stack, until_ended(stage.service, clock))
        run = Run(town, stage.reach, stage.dsn, options.seed, options.seconds)
        cast = await cast_of(run, clock, terminals=CONNECTED, habits=BRISK, weather=BUSY)
        cast = replace(cast, on_said=_writer(logs_in / "terminals.log"))
        result, lines = await play_and_count(run, cast, clock)
    return report(result, lines)


def _keep(stack: AsyncExitStack, background: object) -> None:
    """Run something beside until the end; if it fails, everything ends."""
    task, play = asyncio.ensure_future(background), asyncio.current_task()  # type: ignore[call-overload]

    def ended(_: object) -> None:
        if not task.cancelled() and task.exception() and play:
            say(str(task.exception()))
            play.cancel()

    task.add_done_callback(ended)
    stack.callback(task.cancel)


# --- with a person ----------------------------------------------------------------------------------------------------


async def _watched(options: Options) -> int:
    clock, town = SystemClock(), build(options.seed)
    kept_in = DATA / "demo"
    kept_in.mkdir(parents=True, exist_ok=True)
    policy = POLICIES / "demo.toml"
    plan = Plan(town, policy, kept_in, kept_in, fresh=options.fresh, http_port=options.http_port, has_past=True)
    async with AsyncExitStack() as stack:
        say("starting PostgreSQL, Mosquitto, the service and the town; Ctrl-C ends all of it")
        stage = await build_up(plan, clock, stack)
        (kept_in / "reach.json").write_text(json.dumps(asdict(stage.reach)))
        played = played_by_visitor(town)
        today = clock.now().microsecond  # the town is the seed's, what happens is new each time
        run = Run(town, stage.reach, stage.dsn, today, 0)
        cast = await cast_of(run, clock, terminals=CONNECTED, habits=UNHURRIED, weather=QUIET, left_out=played)
        cast = replace(cast, on_said=_writer(kept_in / "terminals.log"))
        live = await stack.enter_async_context(LiveTown(town, cast, stage.reach, clock, today))
        links = await _visitors_links(stage, clock, played)
        _tell(stage, town, links, plan)
        _keep(stack, until_ended(stage.service, clock))
        await live.run()
    return 0


def played_by_visitor(town: Town) -> list[WorkerId]:
    """Two workers who stay unplayed: those nearest to the middle of the town who are asked for everything."""
    return [worker.id for worker in town.workers if "first_aid" in worker.skills][:2]


async def _visitors_links(stage: Stage, clock: Clock, played: list[WorkerId]) -> dict[str, str]:
    """Links for the visitor: the board, and a phone for each worker left to play, who is on duty already."""
    connection = await asyncpg.connect(stage.dsn, timeout=5)
    try:
        board = await let_in_operator(connection, clock, VISITOR, PASSWORD, role="supervisor")
        phones = await let_in_workers(connection, clock, played)
    finally:
        await connection.close(timeout=2)
    for worker_id, token in phones.items():
        client = LiveClient(stage.reach, clock, worker_id)
        await client.enter(token)
        await client.try_post("/worker/duty", {"is_on_duty": True})
        await client.close()
    links = {"board": board} | {str(worker_id): token for worker_id, token in phones.items()}
    return {name: f"{stage.reach.http_url}/enter/{token}" for name, token in links.items()}


def _tell(stage: Stage, town: Town, links: dict[str, str], plan: Plan) -> None:
    reach, terminal_id = stage.reach, town.terminals[CONNECTED].id
    board, *phones = links.items()
    message = '{\\"id\\":\\"hand-$(date +%s)\\",\\"at\\":\\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\\",\\"key\\":\\"sos\\"}'
    topic = f"onekey/1/{reach.centre_id}/{terminal_id}/alarm"
    text = f"""
The board      {board[1]}
               (or {reach.http_url}/board as {VISITOR}, password {PASSWORD})
"""
    for worker_id, link in phones:
        name = next(worker.name for worker in town.workers if worker.id == worker_id)
        text += f"A worker       {link}\n               ({name}, {worker_id}, on duty: offers come by themselves)\n"
    text += f"""Press a key    .venv/bin/simulator press --terminal {terminal_id} --key sos
or             {_mosquitto_pub()} -p {reach.mqtt_port} -q 1 -t {topic} \\
                 -m "{message}"
The policy     {_shown(plan.policy_file)} (shorter clocks than in real use)
What is said   tail -f {_shown(plan.logs_in / "terminals.log")}
The service    {_shown(plan.logs_in / "dispatch.log")}
The data       {_shown(plan.logs_in)} ({"a new town" if stage.new_rows else "as you left it"}; --fresh starts over)

Ctrl-C ends everything.
"""
    print(text, flush=True)


def _mosquitto_pub() -> str:
    """How to call Mosquitto's own client here."""
    unpacked = UNPACKED / "usr" / "bin" / "mosquitto_pub"
    if shutil.which("mosquitto_pub") is None and unpacked.exists():
        libraries = ":".join(sorted({str(library.parent) for library in UNPACKED.rglob("*.so*")}))
        return f"LD_LIBRARY_PATH={libraries} {_shown(unpacked)}"
    return "mosquitto_pub"


def _writer(path: Path) -> Callable[[Terminal, Say], None]:
    """Writes down what each terminal says aloud."""
    file = path.open("a", buffering=1)
    clock = SystemClock()

    def write(device: Terminal, say: Say) -> None:
        words = f"{spoken(say, 'zh')} / {spoken(say, 'en')}"
        file.write(f"{clock.now():%H:%M:%S} {device.terminal_id} {say.code}: {words}\n")

    return write


def _shown(path: Path) -> str:
    """A path as one types it in the checkout."""
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)
