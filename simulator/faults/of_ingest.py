"""Two ingest processes on one shared subscription, one of them killed."""

from __future__ import annotations

from simulator.faults.fault import Fault, Size
from simulator.faults.ground import Ground, Setting

DONE = "committed"


async def _kill_one(on: Ground) -> None:
    on.ingests[0].kill9()


async def _start_it_again(on: Ground) -> None:
    on.ingests[0].launch()


async def _both_took_some(on: Ground) -> list[str]:
    """Otherwise nothing was shared, and nothing proved."""
    took = {each.name: each.log.count(f'"{DONE}"') for each in on.ingests}
    on.notes["took"] = took
    return [f"{name} took nothing" for name, count in took.items() if not count]


INGEST = (
    Fault(
        "shared_ingest_killed",
        "two ingest processes on one shared subscription, one is killed",
        _kill_one,
        _start_it_again,
        Size(10, times=2),
        setting=Setting(is_ingest_shared=True),
        counts_from_begin=True,
        look=_both_took_some,
    ),
)
