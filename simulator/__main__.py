"""The simulator's command line: `simulator demo | live | press`."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

import typer

from dispatch import logs
from dispatch.clock import SystemClock
from dispatch.errors import DispatchError
from simulator import by_hand
from simulator import demo as demo_module

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
    try:
        reach = by_hand.reach_from(
            demo_module.DATA / "demo" / "reach.json", centre_id=centre, host=mqtt_host, port=mqtt_port
        )
        pressing = by_hand.press(reach, terminal, key, SystemClock(), wait_s=wait, is_test=test, language=language)
        is_stored = asyncio.run(pressing)
    except DispatchError as error:
        typer.echo(error.say(), err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    raise typer.Exit(0 if is_stored else 1)


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
