"""The simulator's command line: `simulator demo | live | fast | press | prove`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from dispatch import logs
from dispatch.clock import SystemClock
from dispatch.errors import DispatchError
from simulator import by_hand, fast_run, live_run
from simulator import demo as demo_module
from simulator import prove as prove_module
from simulator.happenings import Weather
from simulator.people import BRISK, REAL, UNHURRIED
from simulator.reach import Reach
from simulator.town import Size, build

if TYPE_CHECKING:
    from collections.abc import Coroutine

Answer = TypeVar("Answer")

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)


@app.command()
def demo(
    *,
    fresh: Annotated[bool, typer.Option(help="Start over with an empty database.")] = False,
    headless: Annotated[
        bool, typer.Option(help="Without a person; prints one JSON line and says whether all held.")
    ] = False,
    seconds: Annotated[float, typer.Option(help="How long a headless run lasts.", min=10)] = 40.0,
    seed: Annotated[int, typer.Option(help="Which town, and what happens in it.")] = 7,
    http_port: Annotated[int | None, typer.Option(help="Port of the pages; 8080 or a free one if not given.")] = None,
) -> None:
    """A whole centre with its town on this machine."""
    options = demo_module.Options(fresh=fresh, headless=headless, seconds=seconds, seed=seed, http_port=http_port)
    raise typer.Exit(demo_module.run(options))


@app.command()
def live(
    *,
    mqtt: Annotated[str, typer.Option(help="The broker, as HOST:PORT.")] = "127.0.0.1:1883",
    http: Annotated[str, typer.Option(help="The service's pages.")] = "http://127.0.0.1:8080",
    database: Annotated[str, typer.Option(envvar="DISPATCH_DATABASE_URL", help="The service's database.")],
    centre: Annotated[str, typer.Option(envvar="DISPATCH_CENTRE_ID", help="The service's centre id.")],
    seed: Annotated[int, typer.Option(help="Which town, and what happens in it.")] = 7,
    seconds: Annotated[float, typer.Option(min=5)] = 60.0,
    terminals: Annotated[int, typer.Option(help="How many terminals are connected.")] = 120,
    presses_per_min: Annotated[float, typer.Option()] = 60.0,
    people: Annotated[Literal["brisk", "unhurried", "real"], typer.Option(help="How quick people are.")] = "brisk",
) -> None:
    """A town against a running service; its register gets the town, its operators and links. Not for production."""
    logs.set_up("warning")
    host, _, port = mqtt.rpartition(":")
    reach = Reach(mqtt_port=int(port), http_url=http.rstrip("/"), centre_id=centre, mqtt_host=host or "127.0.0.1")
    playing = live_run.against_running(
        live_run.Run(build(seed), reach, database, seed, seconds),
        SystemClock(),
        terminals=terminals,
        habits={"brisk": BRISK, "unhurried": UNHURRIED, "real": REAL}[people],
        weather=Weather(presses_per_min=presses_per_min),
        is_long_enough=False,
    )
    raise typer.Exit(_run(playing))


@app.command()
def fast(
    *,
    seed: Annotated[int, typer.Option(help="Which town, and what happens in it; the same seed plays the same.")] = 7,
    hours: Annotated[float, typer.Option(help="How much time passes (an hour of winding down comes on top).")] = 2.0,
    homes: Annotated[int, typer.Option()] = 300,
    stations: Annotated[int, typer.Option()] = 12,
    workers: Annotated[int, typer.Option()] = 60,
    policy: Annotated[Path | None, typer.Option(help="A policy file; the default one if not given.")] = None,
) -> None:
    """Hours of a town in seconds: the real rules, engine and database on virtual time, with faults and crashes."""
    logs.set_up("critical")
    options = fast_run.Options(seed, hours, Size(homes=homes, stations=stations, workers=workers), policy)
    raise typer.Exit(_run(fast_run.run(options)))


@app.command()
def press(
    *,
    terminal: Annotated[str, typer.Option(help="The terminal's id, as it is in the register.")],
    key: Annotated[Literal["sos", "fall", "fire", "family", "service", "consult"], typer.Option()] = "sos",
    test: Annotated[bool, typer.Option(help="A trial: it goes all the way and brings nobody.")] = False,
    wait: Annotated[float, typer.Option(help="How many seconds to listen to what becomes of it.")] = 600.0,
    language: Annotated[Literal["zh", "en"], typer.Option(help="Which language the terminal speaks.")] = "en",
    centre: Annotated[str | None, typer.Option(help="The centre's id; a running demo's if not given.")] = None,
    mqtt_host: Annotated[str | None, typer.Option()] = None,
    mqtt_port: Annotated[int | None, typer.Option(help="The broker's port; a running demo's if not given.")] = None,
) -> None:
    """Press one key by hand, and hear what the terminal says."""
    logs.set_up("warning")

    async def pressing() -> bool:
        known = demo_module.DATA / "demo" / "reach.json"
        reach = by_hand.reach_from(known, centre_id=centre, host=mqtt_host, port=mqtt_port)
        return await by_hand.press(reach, terminal, key, SystemClock(), wait_s=wait, is_test=test, language=language)

    raise typer.Exit(0 if _run(pressing()) else 1)


@app.command()
def prove(
    *,
    minutes: Annotated[float, typer.Option(help="For how long new seeds are played.", min=0.1)] = 5.0,
    seed: Annotated[int | None, typer.Option(help="Play this one again, and tell what happens.")] = None,
    start_seed: Annotated[int | None, typer.Option(help="The first of the new seeds; drawn if not given.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Play so many and no more.", min=1)] = None,
    players: Annotated[int | None, typer.Option(help="Processes that play; as many as cores if not given.")] = None,
) -> None:
    """Show that nothing is lost, doubled or forgotten, whatever breaks; the last line is one JSON object."""
    logs.set_up("critical")
    wanted = prove_module.Wanted(minutes, seed, start_seed, seeds, players)
    raise typer.Exit(prove_module.prove(wanted))


def _run(play: Coroutine[None, None, Answer]) -> Answer:
    """Run to the end; what was refused on purpose is one plain line."""
    try:
        return asyncio.run(play)
    except DispatchError as error:
        typer.echo(error.say(), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
