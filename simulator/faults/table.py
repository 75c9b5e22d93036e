"""The faults, one entry each: what begins it, what ends it, how long it lasts, and what is promised."""

from __future__ import annotations

import signal

from dispatch.crash import POINTS
from simulator.faults.fault import Fault, Size
from simulator.faults.ground import Ground, Setting, execute, within
from simulator.faults.register import FAST_COMMITS, SLOW_COMMITS

BACK_S = 5.0
"""The service is back within so long of a kill, by itself or by another that stood by."""

# --- the service -----------------------------------------------------------------------------------------------------


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
        quick=Size() if point in {"before_commit", "after_commit", "after_puback"} else None,
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


async def _kill_leader(on: Ground) -> None:
    on.services[await _leader_of(on)].kill9()


async def _bring_back(on: Ground) -> None:
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


# --- the database ----------------------------------------------------------------------------------------------------


async def _halt_postgres(on: Ground) -> None:
    await on.postgres.halt()


async def _kill_postgres(on: Ground) -> None:
    on.postgres.kill9()


async def _start_postgres(on: Ground) -> None:
    await on.postgres.start()


async def _silence_link(on: Ground) -> None:
    """Every byte to and from the database is swallowed; noted is how soon `/readyz` says so."""

    async def says_so() -> bool:
        return "database" in (await on.one.readiness()).missing

    on.link.silence()
    on.notes["detected_s"] = round(await within(20, on.clock, says_so), 2)


async def _heal_link(on: Ground) -> None:
    on.link.unsilence()


async def _slow_commits(on: Ground) -> None:
    await execute(on.dsn, SLOW_COMMITS.format(seconds=0.3))


async def _fast_commits(on: Ground) -> None:
    await execute(on.dsn, FAST_COMMITS)


# --- the broker ------------------------------------------------------------------------------------------------------


async def _kill_broker(on: Ground) -> None:
    on.broker.kill9()


async def _start_empty_broker(on: Ground) -> None:
    await on.broker.start(fresh=True)


async def _freeze_broker(on: Ground) -> None:
    on.broker.send(signal.SIGSTOP)


async def _thaw_broker(on: Ground) -> None:
    on.broker.send(signal.SIGCONT)


async def _gap_is_shown(on: Ground) -> list[str]:
    """The board says that something may have been missed."""

    async def is_told() -> bool:
        return bool(await on.fetch("SELECT FROM incident WHERE kind = 'possible_gap'"))

    on.notes["gap_told_s"] = round(await within(15, on.clock, is_told), 2)
    return []


# --- all of them -----------------------------------------------------------------------------------------------------

FAULTS = (
    Fault(
        "service_killed",
        "kill -9 of the service at random moments",
        _kill_service,
        _launch_service,
        full=Size(times=20),
        quick=Size(times=2),
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
        _kill_leader,
        _bring_back,
        full=Size(lasts_s=8, times=5),
        quick=Size(lasts_s=4),
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
        quick=Size(lasts_s=5),
        setting=TWO,
        counts_from_begin=True,
        recovers_within_s=BACK_S,
        look=_woken_wrote_nothing,
    ),
    Fault("postgres_stopped", "PostgreSQL is stopped", _halt_postgres, _start_postgres, Size(20)),
    Fault("postgres_killed", "kill -9 of PostgreSQL", _kill_postgres, _start_postgres, Size(times=5), Size(times=1)),
    Fault("postgres_away", "PostgreSQL is away for ten minutes", _halt_postgres, _start_postgres, Size(600)),
    Fault(
        "database_link_silent",
        "the link to the database swallows every byte",
        _silence_link,
        _heal_link,
        Size(20),
        Size(1),
        setting=Setting(is_linked=True),
    ),
    Fault("commits_slow", "each commit takes 300 ms longer", _slow_commits, _fast_commits, Size(30)),
    Fault(
        "broker_killed_empty",
        "kill -9 of the broker, which comes back with an empty store",
        _kill_broker,
        _start_empty_broker,
        Size(5, times=3),
        Size(1),
        look=_gap_is_shown,
    ),
    Fault("broker_frozen", "the broker is frozen (SIGSTOP)", _freeze_broker, _thaw_broker, Size(25)),
)
