"""`python -m benchmarks NAME`: each prints one JSON object last, `all` runs each of them. See docs/benchmarks.md."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
import uvloop

from benchmarks import alarms as alarms_bench
from benchmarks import board as board_bench
from benchmarks import charts, everything
from benchmarks import deadlines as deadlines_bench
from benchmarks import fleet as fleet_bench
from benchmarks import growth as growth_bench
from benchmarks import history as history_bench
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

Chart = Annotated[bool, typer.Option("--chart", help="Keep the object and a chart of it in docs/benchmarks.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often; the medians are told.")]


@app.command("all")
def all_(
    *,
    quick: Annotated[bool, typer.Option("--quick", help="So small that the figures count for nothing.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only the bench of this name; may be said again.")] = None,
) -> None:
    """Every bench one after the other, each aim beside its peer; at most 40 minutes on two cores."""
    said = _done(everything.measure(SystemClock(), _command(), is_quick=quick, only=only or ()))
    _print(said)
    if said["failed"]:
        raise typer.Exit(1)


@app.command()
def chart(
    names: Annotated[list[str] | None, typer.Argument(help="Of these benches; else of all that are kept.")] = None,
) -> None:
    """Draw the kept charts again, from the objects beside them in docs/benchmarks."""
    for kept in sorted(charts.FOLDER.glob("*.json")):
        if not names or kept.stem in names:
            print(charts.draw(json.loads(kept.read_text(encoding="utf-8"))).name)


@app.command()
def press(
    *,
    presses: Annotated[
        int, typer.Option(min=1, help="How many presses idle, and as many while readings come.")
    ] = 1_000,
    rate: Annotated[float, typer.Option(min=0.1, help="How many a second.")] = 20.0,
    rounds: Rounds = 5,
    readings: Annotated[float | None, typer.Option(min=1, help="Readings a second; else half of the best.")] = None,
    top_readings: Annotated[int, typer.Option(min=100, help="Readings in a round that finds the best.")] = 50_000,
    chart: Chart = False,
) -> None:
    """Press to `stored` at the terminal, and to the offer at the worker, alone and among readings."""
    plan = press_bench.Plan(presses, rate, rounds, readings, top_readings)
    _run(press_bench.measure(plan, SystemClock()), chart=chart)


@app.command()
def surge(
    *,
    presses: Annotated[int, typer.Option(min=1, help="How many terminals press at once.")] = 10_000,
    workers: Annotated[int, typer.Option(min=1, help="How many workers are free.")] = 3_900,
    rounds: Rounds = 5,
    commits: Annotated[int, typer.Option(min=1, help="How many single-row commits are taken for their rate.")] = 3_000,
    chart: Chart = False,
) -> None:
    """Thousands of presses at once, beside single-row commits and the same rows by bare asyncpg."""
    _run(surge_bench.measure(surge_bench.Plan(presses, workers, rounds, commits), SystemClock()), chart=chart)


@app.command()
def route(
    *,
    rankings: Annotated[int, typer.Option(min=1, help="How many rankings a round.")] = 400,
    rounds: Rounds = 5,
    chart: Chart = False,
) -> None:
    """Ranking among moving workers, reasons included, beside PostgreSQL's nearest-neighbour query."""
    _run(route_bench.measure(route_bench.Plan(rankings, rounds=rounds), SystemClock()), chart=chart)


@app.command()
def vitals(
    *,
    readings: Annotated[int, typer.Option(min=1000, help="How many readings a round.")] = 150_000,
    rounds: Rounds = 15,
    publishers: Annotated[int, typer.Option(min=1)] = 10,
    chart: Chart = False,
) -> None:
    """Readings at full speed until they are stored, beside Mosquitto's C client only receiving them."""
    _run(vitals_bench.measure(vitals_bench.Plan(1000, readings, rounds, publishers), SystemClock()), chart=chart)


@app.command()
def alarms(
    *,
    presses: Annotated[int, typer.Option(min=1, help="How many presses wait at the broker.")] = 60_000,
    one_by_one: Annotated[int, typer.Option(min=2, help="How many of them for the peer that inserts each.")] = 10_000,
    rounds: Rounds = 5,
    chart: Chart = False,
) -> None:
    """A backlog of presses drained, beside one insert a message through aiomqtt, and beside bare asyncpg."""
    plan = alarms_bench.Plan(presses, min(one_by_one, presses), rounds=rounds)
    _run(alarms_bench.measure(plan, SystemClock()), chart=chart)


@app.command()
def deadlines(
    *,
    armed: Annotated[int, typer.Option(min=1, help="How many clocks run.")] = 100_000,
    due: Annotated[int, typer.Option(min=1, help="How many of them run out within 5 s.")] = 10_000,
    rounds: Rounds = 5,
    chart: Chart = False,
) -> None:
    """Clocks that run out, each a durable step of its incident, beside as many durable jobs of pgqueuer."""
    _run(deadlines_bench.measure(deadlines_bench.Plan(armed, due, rounds), SystemClock()), chart=chart)


@app.command()
def board(
    *,
    viewers: Annotated[int, typer.Option(min=2, help="How many look.")] = 800,
    rounds: Rounds = 5,
    round_s: Annotated[float, typer.Option(min=1, help="How long a round is.")] = 5.0,
    latency_s: Annotated[float, typer.Option(min=1, help="How long a round for the latency is.")] = 5.0,
    chart: Chart = False,
) -> None:
    """What viewers of one board are told and how soon, beside npm's `ws` sending each the same."""
    plan = BoardPlan(viewers, rounds=rounds, round_s=round_s, latency_s=latency_s)
    _run(board_bench.measure(plan, SystemClock()), chart=chart)


@app.command()
def fleet(
    *,
    terminals: Annotated[int | None, typer.Option(min=1, help="How many connect; else as many as may.")] = None,
    registered: Annotated[int, typer.Option(min=1, help="How many are registered.")] = 400_000,
    storms: Annotated[int, typer.Option(min=1, help="How often all are lost; the medians are told.")] = 5,
    starts: Annotated[int, typer.Option(min=1, help="How often the start is measured.")] = 5,
    chart: Chart = False,
) -> None:
    """Every terminal loses its connection at once and comes back; what the service takes for a whole city."""
    plan = fleet_bench.Plan(terminals, registered, storms=storms, starts=starts)
    _run(fleet_bench.measure(plan, SystemClock()), chart=chart)


@app.command()
def restart(
    *,
    registered: Annotated[int, typer.Option(min=1, help="How many terminals are registered.")] = 400_000,
    calls: Annotated[int, typer.Option(min=1, help="How many calls are open.")] = 20_000,
    rounds: Rounds = 5,
    chart: Chart = False,
) -> None:
    """Killed on a busy day: until the first overdue clock is fired, and the first new press stored."""
    _run(restart_bench.measure(restart_bench.Plan(registered, calls, rounds), SystemClock()), chart=chart)


@app.command("import")
def import_(
    *,
    elders: Annotated[int, typer.Option(min=1, help="How many elders, each in a home with a terminal.")] = 400_000,
    rounds: Rounds = 5,
    chart: Chart = False,
) -> None:
    """A city's register from CSV files, beside raw COPY of the same rows."""
    _run(import_bench.measure(import_bench.Plan(elders, rounds), SystemClock()), chart=chart)


@app.command()
def growth(
    *,
    part: Annotated[list[str] | None, typer.Option(help="vitals, surge or route; may be said again. Else all.")] = None,
    size: Annotated[list[int] | None, typer.Option(min=1, help="Terminals registered; may be said again.")] = None,
    readings: Annotated[int, typer.Option(min=100, help="How many readings a round.")] = 80_000,
    presses: Annotated[int, typer.Option(min=1, help="How many presses at once.")] = 4_000,
    rounds: Rounds = 5,
    chart: Chart = False,
) -> None:
    """What a reading, a press and a ranking cost in cities of three sizes."""
    plan = growth_bench.Plan(readings=readings, presses=presses, rounds=rounds)
    plan = replace(plan, parts=tuple(part or plan.parts), sizes=tuple(size or plan.sizes))
    _run(growth_bench.measure(plan, SystemClock()), chart=chart)


@app.command()
def history(
    *,
    elders: Annotated[int, typer.Option(min=1, help="How many elders: 2,016 readings each.")] = 5_000,
    looks: Annotated[int, typer.Option(min=1, help="How many of them are looked up.")] = 500,
    chart: Chart = False,
) -> None:
    """The last 24 hours of one elder among ten million readings and more; not part of `all`."""
    _run(history_bench.measure(history_bench.Plan(elders, looks=looks), SystemClock()), chart=chart)


def _command() -> str:
    """What was said to get these figures, but for the wish for a chart."""
    return " ".join(["./run bench", *(word for word in sys.argv[1:] if word != "--chart")])


def _run(measuring: Coroutine[Any, Any, dict[str, Any]], *, chart: bool) -> None:
    said = _done(measuring) | {"command": _command()}
    if chart:
        print(charts.keep(said).relative_to(charts.FOLDER.parents[1]), file=sys.stderr)
    _print(said)


def _done(measuring: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    logs.set_up("warning")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # ended in order, as by Ctrl-C
    try:
        return uvloop.run(measuring)
    except DispatchError as error:
        typer.echo(error.say(), err=True)
        raise typer.Exit(1) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise typer.Exit(130) from None


def _print(said: dict[str, Any]) -> None:
    print(json.dumps(said, ensure_ascii=False))


if __name__ == "__main__":
    app()
