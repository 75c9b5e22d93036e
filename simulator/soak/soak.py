"""The run: find the top, halve it, keep it up, break something now and then, measure all the while, and count."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import aiohttp
import asyncpg

from dispatch.board.passwords import hash_password
from dispatch.errors import DispatchError, Unreachable
from dispatch.store.accounts import add_account
from simulator import checks
from simulator.faults.ground import CENTRE, Database, Ground, Setting, ground
from simulator.live_client import LiveClient
from simulator.reach import Reach
from simulator.soak.gauges import Gauges

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from dispatch.clock import Clock

TERMINALS = 400
PASSWORD = "only on the loopback"  # noqa: S105 - of a centre that lives for minutes
STORED = "dispatch_readings_total"
SHARE_OF_TOP = 0.5
TOP_FROM_S, TOP_FOR_S = 3.0, 8.0
"""The top is measured from so long after its begin, for so long."""

LOOK_EVERY_S = 2.0
CLOSE_EVERY_S = 1.0
CLOSED_AFTER_S = 60.0
"""Presses meanwhile join the open call, as a worried person's do."""

COUNTED_SHARE = 0.5
"""The slope of memory is that of the last half: of an hour or more, it tells what will be after days."""

FAULTS_AT_LEAST_EVERY_S, FAULTS_AT_MOST_EVERY_S = 25.0, 120.0
AWAY_S = {"service_killed": 1.0, "broker_restarted": 0.5, "database_stopped": 5.0}
UNDONE_WITHIN_S = 15.0


@dataclass(frozen=True)
class Wanted:
    """`readings_per_s` None: half of what the service takes at best, measured first."""

    minutes: float
    presses_per_s: float = 20.0
    readings_per_s: float | None = None
    with_faults: bool = True


@dataclass
class Soak:
    """One run on its ground."""

    on: Ground
    wanted: Wanted
    gauges: Gauges = field(default_factory=Gauges)
    faults: Counter[str] = field(default_factory=Counter)
    top_per_s: float | None = None
    rate_per_s: float = 0.0
    closed: int = 0
    recovery_s: float = 0.0

    async def run(self) -> dict[str, Any]:
        """All of it; the figures."""
        on, clock = self.on, self.on.clock
        self.gauges.born(clock.elapsed())
        self.rate_per_s = self.wanted.readings_per_s or await self._half_of_top()
        async with readings(on, self.rate_per_s):
            on.callers.press()
            until_s = clock.elapsed() + self.wanted.minutes * 60
            self.gauges.counts_from_s = until_s - self.wanted.minutes * 60 * COUNTED_SHARE
            beside = [asyncio.create_task(each) for each in (self._look_on(), self._close_on())]
            try:
                await self._break_until(until_s)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
        await on.callers.rest()
        await on.until_stored()
        return await self._figures()

    async def _half_of_top(self) -> float:
        """Readings stored a second at full speed; then all that waits at the broker is let through."""
        clock = self.on.clock
        async with readings(self.on, 0.0):
            await clock.sleep(TOP_FROM_S)
            before, began_s = await stored(self.on.one.url), clock.elapsed()
            await clock.sleep(TOP_FOR_S)
            self.top_per_s = (await stored(self.on.one.url) - before) / (clock.elapsed() - began_s)
        last = -1.0
        while (now := await stored(self.on.one.url)) > last:
            last = now
            await clock.sleep(1)
        say(f"{self.top_per_s:,.0f} readings a second at best")
        return self.top_per_s * SHARE_OF_TOP

    async def _break_until(self, until_s: float) -> None:
        clock = self.on.clock
        every_s = self.wanted.minutes * 60 / 10
        every_s = min(FAULTS_AT_MOST_EVERY_S, max(FAULTS_AT_LEAST_EVERY_S, every_s))
        for name in itertools.cycle(AWAY_S):
            left_s = until_s - clock.elapsed()
            if not self.wanted.with_faults or left_s < every_s + UNDONE_WITHIN_S:
                await clock.sleep(max(0.0, left_s))
                return
            await clock.sleep(every_s)
            self.gauges.fault_s = clock.elapsed()
            self.faults[name] += 1
            await getattr(self, f"_{name}")()
            self.on.mark()
            recovered_s = await self.on.until_recovered()
            self.recovery_s = max(self.recovery_s, recovered_s)
            self.gauges.fault_s = clock.elapsed()
            say(f"{name}, recovered in {recovered_s:.1f} s")

    async def _service_killed(self) -> None:
        self.on.one.kill9()
        await self.on.clock.sleep(AWAY_S["service_killed"])
        self.on.one.launch()
        self.gauges.born(self.on.clock.elapsed())

    async def _broker_restarted(self) -> None:
        self.on.broker.kill9()
        await self.on.clock.sleep(AWAY_S["broker_restarted"])
        await self.on.broker.start()

    async def _database_stopped(self) -> None:
        await self.on.postgres.halt()
        await self.on.clock.sleep(AWAY_S["database_stopped"])
        await self.on.postgres.start()

    async def _look_on(self) -> None:
        while True:
            await self.gauges.look(self.on)
            await self.on.clock.sleep(LOOK_EVERY_S)

    async def _close_on(self) -> None:
        """An operator closes every call a little after it was opened: calls may not pile up over hours."""
        on = self.on
        await _add_operator(on)
        client = LiveClient(Reach(on.reach.mqtt_port, on.one.url, CENTRE), on.clock, "soak")
        try:
            while True:
                await on.clock.sleep(CLOSE_EVERY_S)
                try:
                    self.closed += await _close_old(client, on.clock)
                except DispatchError:
                    await _signed_in(client)
        finally:
            await client.close()

    async def _figures(self) -> dict[str, Any]:
        on = self.on
        connection = await asyncpg.connect(on.dsn, timeout=10)
        try:
            balance = await on.ledger.balance(connection)
            kept = await connection.fetchval("SELECT count(*) FROM vitals", timeout=120)
            violations = await checks.violations(connection, on.clock.now())
        finally:
            await connection.close(timeout=5)
        return {
            "soak_minutes": self.wanted.minutes,
            "faults": dict(self.faults),
            "recovery_s": round(self.recovery_s, 2),
            "top_readings_per_s": None if self.top_per_s is None else round(self.top_per_s),
            "readings_per_s": round(self.rate_per_s),
            "readings_stored": kept,
            "presses_per_s": self.wanted.presses_per_s,
            "presses": balance.pressed,
            "closed": self.closed,
            "lost": len(balance.lost),
            "duplicated": len(balance.duplicated),
            "unheard": len(balance.unheard),
            "violations": violations[:10],
            "longest_silence_s": round(balance.longest_silence_s, 2),
            **self.gauges.as_dict(),
        }


@asynccontextmanager
async def readings(on: Ground, rate_per_s: float) -> AsyncIterator[None]:
    """Readings come from a process of their own while the block runs; 0 is as many as the broker takes."""
    words = ("-m", "simulator.soak.readings", str(on.reach.mqtt_port), CENTRE, str(rate_per_s))
    process = await asyncio.create_subprocess_exec(sys.executable, *words)
    try:
        yield
        if process.returncode is not None:
            raise Unreachable("readings_ended", status=process.returncode)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def stored(url: str) -> float:
    """How many readings the service says it has stored since its start. Raises Unreachable."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
            lines = (await answer.text()).splitlines()
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable("service_away", reason=repr(error)) from error
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(STORED))


async def _add_operator(on: Ground) -> None:
    connection = await asyncpg.connect(on.dsn, timeout=10)
    try:
        await add_account(
            connection,
            "soak",
            role="operator",
            password_hash=hash_password(PASSWORD),
            language="en",
            now=on.clock.now(),
        )
    finally:
        await connection.close(timeout=5)


async def _signed_in(client: LiveClient) -> None:
    try:
        await client.sign_in("soak", PASSWORD)
    except Unreachable:
        return  # the next second it is tried again
    except DispatchError as error:
        say(f"the operator cannot sign in: {error.say()}")


async def _close_old(client: LiveClient, clock: Clock) -> int:
    """Close what is old enough; how many."""
    closed, before = 0, clock.now() - timedelta(seconds=CLOSED_AFTER_S)
    for card in (await client.get("/board"))["incidents"]:
        if card["closed_at"] is None and datetime.fromisoformat(card["opened_at"]) < before:
            closed += await client.try_post(f"/incidents/{card['incident_id']}/close", {"outcome": "handed_over"})
    return closed


async def soak(wanted: Wanted, clock: Clock) -> tuple[dict[str, Any], bool]:
    """Run it; the figures, and whether nothing was lost, doubled or left unheard."""
    setting = Setting(terminals=TERMINALS, rate_per_s=wanted.presses_per_s)
    async with Database() as database, ground(setting, database, clock) as on:
        figures = await Soak(on, wanted).run()
    is_well = not any(figures[name] for name in ("lost", "duplicated", "unheard", "violations"))
    return figures, is_well


def say(line: str) -> None:
    """One line for whoever watches; the figures alone go to standard output."""
    print(f"soak: {line}", file=sys.stderr, flush=True)
