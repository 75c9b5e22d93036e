"""Faults of the database and of the way to it."""

from __future__ import annotations

from simulator.faults.fault import Fault, Size
from simulator.faults.ground import Ground, Setting, execute, within
from simulator.faults.register import FAST_COMMITS, SLOW_COMMITS
from simulator.faults.small_disk import why_none


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


async def _fill_disk(on: Ground) -> None:
    assert on.small_disk is not None
    on.small_disk.fill()


async def _free_disk(on: Ground) -> None:
    """Noted is whether it mattered: the service must have been refused."""
    assert on.small_disk is not None
    on.notes["refused_for_want_of_disk"] = on.one.log.count("DiskFullError")
    on.small_disk.free()


async def _it_was_full(on: Ground) -> list[str]:
    return [] if on.notes["refused_for_want_of_disk"] else ["the disk was never full"]


DATABASE = (
    Fault("postgres_stopped", "PostgreSQL is stopped", _halt_postgres, _start_postgres, Size(20)),
    Fault(
        "postgres_killed",
        "kill -9 of PostgreSQL",
        _kill_postgres,
        _start_postgres,
        Size(times=5),
        Size(settles_s=0.7),
    ),
    Fault("postgres_away", "PostgreSQL is away for ten minutes", _halt_postgres, _start_postgres, Size(600)),
    Fault(
        "database_link_silent",
        "the link to the database swallows every byte",
        _silence_link,
        _heal_link,
        Size(20),
        setting=Setting(is_linked=True),
    ),
    Fault("commits_slow", "each commit takes 300 ms longer", _slow_commits, _fast_commits, Size(30)),
    Fault(
        "disk_full",
        "the database's disk is full, and is freed again",
        _fill_disk,
        _free_disk,
        Size(15),
        setting=Setting(is_on_small_disk=True),
        look=_it_was_full,
        needs=why_none,
    ),
)
