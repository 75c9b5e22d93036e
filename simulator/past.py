"""What the frail of a town measured before it began: a month of ordinary days, so that a visitor's board has a past."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from dispatch.model import ElderId, Vitals
from dispatch.store import vitals
from dispatch.store.database import Database
from dispatch.store.health import HealthSetting, put_setting
from simulator.town import chances, frail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from dispatch.clock import Clock
    from dispatch.model import TerminalId
    from simulator.town import Town

DAYS = 33
SOME_HOURS = range(7, 22, 3)
RISING_FROM_DAYS = 3
"""The second of the frail has had a quicker pulse for so many days: a trend for whoever looks."""


def readings_before(town: Town, now: datetime) -> Iterator[Vitals]:
    """Five readings a day for a month, and one every ten minutes of the last day, by the frail of this town."""
    for number, terminal_id in enumerate(frail(town)):
        draw = chances(town.seed, f"past {terminal_id}")
        usual = 66 + 4 * number
        for days in range(DAYS, 1, -1):
            midnight = (now - timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
            rate = usual + (14 if number == 1 and days <= RISING_FROM_DAYS else 0)
            for hour in SOME_HOURS:
                yield _reading(terminal_id, midnight + timedelta(hours=hour), rate, draw)
        for minutes in range(24 * 60, 0, -10):
            rate = usual + (14 if number == 1 else 0)
            yield _reading(terminal_id, now - timedelta(minutes=minutes), rate, draw)


def _reading(terminal_id: TerminalId, at: datetime, rate: float, draw: Random) -> Vitals:
    return Vitals(
        terminal_id,
        at,
        at,
        heart_rate_bpm=round(draw.gauss(rate, 2)),
        spo2_percent=min(100, round(draw.gauss(97.5, 0.5))),
        systolic_mmhg=round(draw.gauss(130, 5)),
        diastolic_mmhg=round(draw.gauss(78, 4)),
    )


async def remember(dsn: str, town: Town, clock: Clock) -> None:
    """Put that past into a town's database, and one elder's own limits."""
    database, now = Database(dsn), clock.now()
    home_of = {terminal.id: terminal.home_id for terminal in town.terminals}
    [elder_id] = [elder_id for home_id, elder_id in town.residents if home_id == home_of[frail(town)[0]]]
    try:
        async with database.connection() as connection:
            await vitals.add(connection, list(readings_before(town, now)))
        async with database.transaction() as connection:
            await put_setting(connection, clock.new_id(), ElderId(elder_id), _own(now))
    finally:
        await database.close()


def _own(now: datetime) -> HealthSetting:
    limits = '{"heart_rate_bpm": {"high": 125}}'
    return HealthSetting(
        limits, "one", None, now, "visitor", "按医嘱：心率上限 125 / heart rate at most 125, on a doctor's word"
    )
