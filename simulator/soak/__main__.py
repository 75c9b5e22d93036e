"""`python -m simulator.soak --minutes 30`: the figures as one JSON object in the end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated

import typer

from dispatch import logs
from dispatch.clock import SystemClock
from simulator.soak.soak import Wanted, soak


def main(
    *,
    minutes: Annotated[float, typer.Option(help="For how long.", min=0.5)] = 30.0,
    presses_per_s: Annotated[float, typer.Option(help="Keys pressed a second.", min=0.1)] = 20.0,
    readings_per_s: Annotated[
        float | None, typer.Option(help="Readings a second; half of what it takes at best if not given.", min=1)
    ] = None,
    faults: Annotated[bool, typer.Option(help="Break something now and then.")] = True,
) -> None:
    """Half of top load for long, with faults sprinkled in: slope of memory, files, table bloat and the 99 %."""
    logs.set_up("critical")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # aiomqtt forgets futures when a link breaks
    figures, is_well = asyncio.run(soak(Wanted(minutes, presses_per_s, readings_per_s, faults), SystemClock()))
    print(json.dumps(figures))
    raise typer.Exit(0 if is_well else 1)


if __name__ == "__main__":
    typer.run(main)
