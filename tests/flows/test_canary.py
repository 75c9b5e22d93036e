"""The canary: a test key pressed through the real broker, timed to the board, loud when it falls silent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from dispatch.clock import VirtualClock, limit
from dispatch.settings import Watch
from dispatch.watch import Canary
from simulator.servers import MosquittoServer

from .conftest import START, Centre, register, running, settings_for

WITHIN_S = 40
WATCH = Watch(canary_terminal="T600", no_board_after_s=0, nobody_answers_after_s=0)


@pytest.fixture
async def own_broker(data_dir: Path) -> AsyncIterator[MosquittoServer]:
    """A broker that this test may stop."""
    async with MosquittoServer(data_dir / "mosquitto") as server:
        yield server


@pytest.fixture
async def town(dsn: str, own_broker: MosquittoServer, centre: str) -> AsyncIterator[Centre]:
    await register(dsn)
    settings = replace(settings_for(dsn, own_broker, centre), watch=WATCH)
    async with running(settings, VirtualClock(START, seed=7)) as started:
        await started.ready()
        yield started


def canary_of(town: Centre) -> Canary:
    canary = town.service.watching.canary
    assert canary is not None
    return canary


async def until(town: Centre, holds: Callable[[], bool], step_s: float = 0.1) -> None:
    """Let time pass, slowly enough for the broker, until something is so."""
    assert isinstance(town.clock, VirtualClock)
    async with limit(WITHIN_S):
        while not holds():
            await town.clock.advance(step_s)
            await asyncio.wait([asyncio.ensure_future(town.service.readiness())])


async def test_it_is_heard_all_the_way_and_troubles_nobody(town: Centre) -> None:
    operator = await town.operator()
    frames = operator.frames("/stream")
    await anext(frames)
    canary = canary_of(town)
    await until(town, lambda: canary.home_id is not None)
    assert canary.took_shown_s is not None
    assert canary.fails() is None
    assert canary.home_id == "H600"
    rows = await town.fetch("SELECT state, outcome, is_exercise, subject_id FROM incident")
    assert rows == [("closed", "test", True, "H600")]
    assert await town.fetch("SELECT count(*) FROM assignment") == [0]
    ready = await town.service.readiness()
    assert ready.missing == ()
    assert ready.canary_age_s is not None
    scraped = town.service.scrape().decode()
    assert 'dispatch_incidents_opened_total{exercise="true",kind="sos"}' in scraped
    assert 'dispatch_canary_seconds_count{stage="shown"} 1.0' in scraped

    async with limit(WITHIN_S):  # the header says so
        while True:
            frame = msgspec.json.decode(await _next(town, frames))
            if (frame.get("centre") or {}).get("canary", {}).get("heard_at"):
                assert frame["centre"]["canary"]["home_id"] == "H600"
                break


async def _next(town: Centre, frames: AsyncIterator[bytes]) -> bytes:
    asked = asyncio.ensure_future(anext(frames))
    while not asked.done():
        await town.advance(1)
        await asyncio.wait([asked], timeout=0.02)
    return asked.result()


async def test_without_a_board_it_is_heard_up_to_the_receipt(town: Centre) -> None:
    canary = canary_of(town)
    await until(town, lambda: canary.heard_at is not None)
    assert canary.took_stored_s is not None
    assert canary.took_shown_s is None


async def test_its_silence_is_an_incident_that_passes(town: Centre, own_broker: MosquittoServer) -> None:
    canary = canary_of(town)
    await until(town, lambda: canary.heard_at is not None)
    own_broker.kill9()
    await until(town, lambda: canary.missed == 1, step_s=1)
    assert canary.fails() is None
    await until(town, lambda: canary.missed == 2, step_s=1)
    assert "canary" in (await town.service.readiness()).missing
    await town.advance(2)
    await town.until("SELECT kind FROM incident WHERE closed_at IS NULL AND kind = 'canary'", ["canary"])
    assert town.service.watching.watched().troubles == ("canary",)

    await own_broker.start()
    await until(town, lambda: not canary.missed)
    await town.advance(2)
    await town.until("SELECT outcome FROM incident WHERE kind = 'canary'", ["passed"])
    assert "canary" not in (await town.service.readiness()).missing
