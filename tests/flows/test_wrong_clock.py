"""A wall clock that was wrong when the service was started, and is right (or wrong) when it is started again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dispatch.clock import VirtualClock
from simulator.servers import MosquittoServer

from .conftest import START, Centre, press, register, running, settings_for

OPEN = "SELECT count(*) FROM incident WHERE due_at BETWEEN $1 AND $2"
LEVEL = "SELECT level > 0 FROM incident"


async def press_is_stored(centre: Centre) -> None:
    await centre.ready()
    async with centre.terminal() as terminal:
        await terminal.say(press())
        await terminal.hear("stored")


@pytest.mark.parametrize("behind", [timedelta(hours=1), timedelta(days=365)])
async def test_a_start_behind_what_was_written_lets_clocks_go_on_from_where_they_stood(
    dsn: str, broker: MosquittoServer, centre: str, clock: VirtualClock, behind: timedelta
) -> None:
    await register(dsn)
    settings = settings_for(dsn, broker, centre)
    async with running(settings, clock) as town:
        await press_is_stored(town)
    again = VirtualClock(START - behind, seed=8)
    async with running(settings, again) as town:
        await town.ready()
        await town.until(OPEN, [1], again.now(), again.now() + timedelta(minutes=2))
        await town.advance(90)
        await town.until(LEVEL, [True])
        assert await town.fetch("SELECT count(*) FROM outbox WHERE state = 'queued' AND created_at > $1", START) == [0]


async def test_two_machines_whose_clocks_are_a_second_apart_change_no_clock(
    dsn: str, broker: MosquittoServer, centre: str, clock: VirtualClock
) -> None:
    await register(dsn)
    settings = settings_for(dsn, broker, centre)
    async with running(settings, clock) as town:
        await press_is_stored(town)
        before = await town.fetch("SELECT step_due_at FROM incident")
    async with running(settings, VirtualClock(clock.now() - timedelta(seconds=1.5), seed=8)) as town:
        await town.ready()
        assert await town.fetch("SELECT step_due_at FROM incident") == before


async def test_clocks_are_set_back_once_however_often_the_service_starts(
    dsn: str, broker: MosquittoServer, centre: str, clock: VirtualClock
) -> None:
    await register(dsn)
    settings = settings_for(dsn, broker, centre)
    async with running(settings, clock) as town:
        await press_is_stored(town)
    again = VirtualClock(START - timedelta(hours=1), seed=8)
    async with running(settings, again) as town:
        await town.ready()
        await town.until(OPEN, [1], again.now(), again.now() + timedelta(minutes=2))
        before = await town.fetch("SELECT step_due_at FROM incident")
    async with running(settings, VirtualClock(again.now(), seed=9)) as town:
        await town.ready()
        assert await town.fetch("SELECT step_due_at FROM incident") == before
