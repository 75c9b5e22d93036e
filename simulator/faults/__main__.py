"""`python -m simulator.faults`: every fault in full size, the sum as one JSON object in the end."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated

import typer

from dispatch import logs
from dispatch.clock import SystemClock
from simulator.faults import proof


def main(
    *,
    quick: Annotated[bool, typer.Option(help="The few short ones that the tests run.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only the fault of this name; again for more.")] = None,
) -> None:
    """Real faults on real parts, while keys are pressed all the while."""
    logs.set_up("critical")
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # aiomqtt forgets futures when a link breaks
    result = asyncio.run(proof.prove(SystemClock(), is_quick=quick, only=only or ()))
    print(json.dumps(result))
    raise typer.Exit(1 if result["wrong"] or result["slow"] else 0)


if __name__ == "__main__":
    typer.run(main)
