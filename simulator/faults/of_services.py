"""Faults of the service itself: killed, crashed at a named point, overtaken by another."""

from __future__ import annotations

from dispatch.crash import POINTS
from simulator.faults.fault import BACK_S, Fault, Size
from simulator.faults.ground import Ground, Setting

# --- one of them -----------------------------------------------------------------------------------------------------


async def _kill_service(on: Ground) -> None:
    on.one.kill9()


async def _launch_service(on: Ground) -> None:
    on.one.launch()


async def _crash(on: Ground) -> None:
    await on.one.until_ended()


def _crash_at(point: str, times: int) -> Fault:
    """The service ends by itself when it passes this point so many times, and is started again."""
    return Fault(
        f"crash_{point}",
        f"the service crashes: {POINTS[point]}",
        _crash,
        _launch_service,
        quick=Size(settles_s=0.7) if point in {"before_commit", "after_commit"} else None,
        setting=Setting(crash_at=f"{point}:{times}"),
        counts_from_begin=True,
        recovers_within_s=BACK_S,
    )


# --- two of them -----------------------------------------------------------------------------------------------------

WROTE = "SELECT into_table, count(*) FROM writer WHERE by = $1 AND at > $2 GROUP BY 1"
TWO = Setting(instances=("one", "two"))


async def _leader_of(on: Ground) -> str:
    """Who leads, remembered: the fault is done to this one."""
    name = on.notes["done_to"] = await on.holder()
    return name


async def kill_leader(on: Ground) -> None:
    """Whoever leads is killed."""
    on.services[await _leader_of(on)].kill9()


async def bring_back(on: Ground) -> None:
    """Whoever was killed stands by from now on."""
    on.services[on.notes["done_to"]].launch()


async def _freeze_leader(on: Ground) -> None:
    on.services[await _leader_of(on)].freeze()


async def _thaw_leader(on: Ground) -> None:
    [(on.notes["woken_at"],)] = await on.fetch("SELECT clock_timestamp()")
    on.services[on.notes["done_to"]].thaw()


async def _woken_wrote_nothing(on: Ground) -> list[str]:
    """The other took over, and the frozen one wrote nothing from when it was woken."""
    woken, woken_at = str(on.notes["done_to"]), on.notes.pop("woken_at")
    rows = await on.fetch(WROTE, woken, woken_at)
    on.notes["woken_wrote"] = sum(count for _, count in rows)
    wrong = [f"the woken one wrote {count} rows into {table}" for table, count in rows]
    return wrong if await on.holder() != woken else [*wrong, "the frozen one still has the lease"]


SERVICES = (
    Fault(
        "service_killed",
        "kill -9 of the service at random moments",
        _kill_service,
        _launch_service,
        full=Size(times=20),
        quick=Size(times=2, settles_s=0.7),
        counts_from_begin=True,
        recovers_within_s=BACK_S,
    ),
    _crash_at("received", 12),
    _crash_at("after_decision", 12),
    _crash_at("before_commit", 12),
    _crash_at("after_commit", 12),
    _crash_at("before_receipt", 12),
    _crash_at("before_send", 3),
    _crash_at("after_puback", 12),
    Fault(
        "dispatcher_killed",
        "kill -9 of the dispatcher while another stands by",
        kill_leader,
        bring_back,
        full=Size(lasts_s=8, times=5),
        setting=TWO,
        counts_from_begin=True,
        recovers_within_s=BACK_S,
    ),
    Fault(
        "dispatcher_frozen",
        "the dispatcher is frozen (SIGSTOP) and woken again while another stands by",
        _freeze_leader,
        _thaw_leader,
        full=Size(lasts_s=60),
        quick=Size(lasts_s=4, settles_s=0.7),
        setting=TWO,
        counts_from_begin=True,
        recovers_within_s=BACK_S,
        look=_woken_wrote_nothing,
    ),
)
