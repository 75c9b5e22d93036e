"""Clocks that are wrong: the service's, a standby's, the terminals'."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from simulator.faults.fault import BACK_S, Fault, Size
from simulator.faults.ground import Ground, Setting
from simulator.faults.of_services import bring_back, kill_leader

if TYPE_CHECKING:
    from simulator.faults.fault import Act

HOUR_S, YEAR_S = 3_600.0, 365 * 86_400.0
WRONG_BY_S = {"hour_ahead": HOUR_S, "hour_behind": -HOUR_S, "year_ahead": YEAR_S, "year_behind": -YEAR_S}
FORGOTTEN = "5: whatever was offered"
"""Messages are kept for 90 days, by a clock that is a year off as well."""

LIVES_ON_FOR_S = 3.0
LONGEST_CLOCK = timedelta(minutes=10)
WAITS_TOO_LONG = "SELECT incident_id::text FROM incident WHERE due_at > $1"


def _set_wall(seconds: float) -> Act:
    """The machine's clock is set wrong under the running service."""

    async def begin(on: Ground) -> None:
        on.one.move_wall(seconds)

    return begin


async def _restart_wrong_then_right(on: Ground) -> None:
    """The service is killed and starts by the wrong clock; that is set right, and it is killed and starts again."""
    on.one.kill9()
    on.one.launch()
    await on.one.until_ready()
    await on.clock.sleep(LIVES_ON_FOR_S)
    on.one.move_wall(0)
    await on.clock.sleep(LIVES_ON_FOR_S)
    on.one.kill9()
    on.one.launch()
    on.mark()


async def _nothing_waits_for_long(on: Ground) -> list[str]:
    """No call was left with a clock that runs out in a year."""
    rows = await on.fetch(WAITS_TOO_LONG, await on.leaders_now() + LONGEST_CLOCK)
    return [f"waits for too long: {incident_id}" for (incident_id,) in rows[:5]]


def _wall_wrong(name: str, seconds: float) -> Fault:
    return Fault(
        f"wall_{name}",
        f"the service's wall clock is set one {name.replace('_', ' ')}, under it and across two restarts",
        _set_wall(seconds),
        _restart_wrong_then_right,
        full=Size(4),
        recovers_within_s=BACK_S,
        look=_nothing_waits_for_long,
        excuses=(FORGOTTEN,) if abs(seconds) >= YEAR_S else (),
    )


async def _set_calendars_wrong(on: Ground) -> None:
    on.callers.set_calendars([timedelta(seconds=off) for off in WRONG_BY_S.values()])


async def _set_calendars_right(on: Ground) -> None:
    on.callers.set_calendars([timedelta()])


async def _watch_then_kill(on: Ground) -> None:
    """The standby sees the leader live for longer than it waits for a dead one; then the leader is killed."""
    await on.clock.sleep(2 * LIVES_ON_FOR_S)
    [(on.notes["term_before"],)] = await on.fetch("SELECT term FROM lease")
    await kill_leader(on)


async def _lease_was_not_stolen(on: Ground) -> list[str]:
    wrong = await _nothing_waits_for_long(on)
    return wrong if on.notes["term_before"] == 1 else [*wrong, "the standby took the lease of a leader that lived"]


def _standby_wrong(name: str, seconds: float) -> Fault:
    return Fault(
        f"standby_{name}",
        f"the standby's clock is an {name.replace('_', ' ')}, and it takes over from a killed leader",
        _watch_then_kill,
        bring_back,
        Size(6),
        setting=Setting(instances=("one", "two"), walls_s={"two": seconds}),
        counts_from_begin=True,
        recovers_within_s=BACK_S,
        look=_lease_was_not_stolen,
    )


CLOCKS = (
    *(_wall_wrong(name, seconds) for name, seconds in WRONG_BY_S.items()),
    Fault(
        "terminals_wrong",
        "the terminals' clocks are an hour or a year ahead or behind, and set right again",
        _set_calendars_wrong,
        _set_calendars_right,
        Size(20),
    ),
    *(_standby_wrong(name, WRONG_BY_S[name]) for name in ("hour_ahead", "hour_behind")),
)
