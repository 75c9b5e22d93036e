"""`python -m benchmarks NAME`: each prints one JSON object last. See docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvloop

from benchmarks import alarms as alarms_bench
from benchmarks import board as board_bench
from benchmarks import deadlines as deadlines_bench
from benchmarks import fleet as fleet_bench
from benchmarks import importing as import_bench
from benchmarks import press as press_bench
from benchmarks import restart as restart_bench
from benchmarks import route as route_bench
from benchmarks import surge as surge_bench
from benchmarks import vitals as vitals_bench
from benchmarks.board_room import Plan as BoardPlan
from dispatch import logs
from dispatch.clock import SystemClock
from dispatch.errors import DispatchError

if TYPE_CHECKING:
    from collections.abc import Coroutine

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def press(
    *,
    presses: Annotated[int, typer.Option(min=1, help="How many presses.")] = 2_000,
    rate: Annotated[float, typer.Option(min=0.1, help="How many a second.")] = 20.0,
) -> None:
    """Press to `stored` at the terminal, and to the offer at the worker, beside a message and a commit alone."""
    _run(press_bench.measure(press_bench.Plan(presses, rate), SystemClock()))


@app.command()
def surge(
    *,
    presses: Annotated[int, typer.Option(min=1, help="How many terminals press at once.")] = 10_000,
    workers: Annotated[int, typer.Option(min=1, help="How many workers are free.")] = 3_900,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 5,
    commits: Annotated[int, typer.Option(min=1, help="How many single-row commits are taken for their rate.")] = 3_000,
) -> None:
    """Thousands of presses at once, beside single-row commits and the same rows by bare asyncpg."""
    _run(surge_bench.measure(surge_bench.Plan(presses, workers, rounds, commits), SystemClock()))


@app.command()
def route(
    *,
    rankings: Annotated[int, typer.Option(min=1, help="How many rankings a round.")] = 400,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 5,
) -> None:
    """Ranking among moving workers, reasons included, beside PostgreSQL's nearest-neighbour query."""
    _run(route_bench.measure(route_bench.Plan(rankings, rounds=rounds), SystemClock()))


@app.command()
def vitals(
    *,
    readings: Annotated[int, typer.Option(min=1000, help="How many readings a round.")] = 150_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 12,
    publishers: Annotated[int, typer.Option(min=1)] = 10,
) -> None:
    """Readings at full speed until they are stored, beside Mosquitto's C client only receiving them."""
    _run(vitals_bench.measure(vitals_bench.Plan(1000, readings, rounds, publishers), SystemClock()))


@app.command()
def alarms(
    *,
    presses: Annotated[int, typer.Option(min=1, help="How many presses wait at the broker.")] = 60_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 5,
) -> None:
    """A backlog of presses drained, beside one insert a message through aiomqtt, and beside bare asyncpg."""
    _run(alarms_bench.measure(alarms_bench.Plan(presses, rounds=rounds), SystemClock()))


@app.command()
def deadlines(
    *,
    armed: Annotated[int, typer.Option(min=1, help="How many clocks run.")] = 100_000,
    due: Annotated[int, typer.Option(min=1, help="How many of them run out within 5 s.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 5,
) -> None:
    """Clocks that run out, each a durable step of its incident, beside as many durable jobs of pgqueuer."""
    _run(deadlines_bench.measure(deadlines_bench.Plan(armed, due, rounds), SystemClock()))


@app.command()
def board(
    *,
    viewers: Annotated[int, typer.Option(min=2, help="How many look.")] = 800,
    rounds: Annotated[int, typer.Option(min=1, help="How often at the best rate; the medians are told.")] = 5,
) -> None:
    """What viewers of one board are told and how soon, beside npm's `ws` sending each the same."""
    _run(board_bench.measure(BoardPlan(viewers, rounds=rounds), SystemClock()))


@app.command()
def fleet(
    *,
    terminals: Annotated[int | None, typer.Option(min=1, help="How many connect; else as many as may.")] = None,
    registered: Annotated[int, typer.Option(min=1, help="How many are registered.")] = 400_000,
) -> None:
    """Every terminal loses its connection at once and comes back; what the service takes for a whole city."""
    _run(fleet_bench.measure(fleet_bench.Plan(terminals, registered), SystemClock()))


@app.command()
def restart(
    *,
    registered: Annotated[int, typer.Option(min=1, help="How many terminals are registered.")] = 400_000,
    calls: Annotated[int, typer.Option(min=1, help="How many calls are open.")] = 20_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 5,
) -> None:
    """Killed on a busy day: until the first overdue clock is fired, and the first new press stored."""
    _run(restart_bench.measure(restart_bench.Plan(registered, calls, rounds), SystemClock()))


@app.command("import")
def import_(
    *,
    elders: Annotated[int, typer.Option(min=1, help="How many elders, each in a home with a terminal.")] = 400_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often; the medians are told.")] = 5,
) -> None:
    """A city's register from CSV files, beside raw COPY of the same rows."""
    _run(import_bench.measure(import_bench.Plan(elders, rounds), SystemClock()))


def _run(measuring: Coroutine[Any, Any, dict[str, Any]]) -> None:
    logs.set_up("warning")
    try:
        result = uvloop.run(measuring)
    except DispatchError as error:
        typer.echo(error.say(), err=True)
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None
    print(json.dumps(result, ensure_ascii=False))


if __name__ == "__main__":
    app()
