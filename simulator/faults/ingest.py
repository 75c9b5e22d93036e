"""`python -m simulator.faults.ingest`: the product's intake of alarms, alone in a process, on a shared subscription.

The service hears terminals only where it leads. This is what several ingest processes would be: the same parts, an
engine without a lease, and one session of its own below `$share`. What it commits, the leader sends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dispatch import logs
from dispatch.app.parts import Parts, broker_of, make_parts
from dispatch.clock import SystemClock
from dispatch.devices.kinds import Lane
from dispatch.ingest import Housekeeping, Intake, Sinks
from dispatch.ingest.lanes import LIMITS
from dispatch.ingest.uses import use_of
from dispatch.mqtt import Connection, Message, Session, Subscription, Unreadable
from dispatch.settings import read_settings
from dispatch.store import record

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dispatch.model import Alarm, Vitals
    from dispatch.model import Unreadable as Parked

READY = "ingest_hears"
log = logs.get("ingest")


class SharedIngest:
    """One member of the group."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        limits, sinks = LIMITS[Lane.ALARMS], self._sinks()
        self._intake = Intake(
            Lane.ALARMS,
            parts.clock,
            use_of(Lane.ALARMS, sinks, parts.clock),
            sinks.park,
            self._acknowledge,
            batch_max=limits.batch_max,
            at_once=limits.at_once,
        )
        settings = parts.settings
        shared = Subscription(f"$share/ingest/onekey/1/{settings.centre_id}/+/alarm")
        self._connection = Connection(
            broker_of(settings),
            Session(f"{settings.centre_id}-shared-{settings.instance}", (shared,), limits.receive_maximum),
            clock=parts.clock,
            on_batch=self._intake.receive,
            on_unreadable=self._intake.receive_unreadable,
            on_connected=lambda _present: log.info(READY),
        )

    def _sinks(self) -> Sinks:
        return Sinks(
            raise_alarms=self._raise_alarms,
            registered=self._parts.registry.registered,
            judge=_not_ours,
            keep_vitals=_not_our_lane,
            keep_house=_not_our_lane,
            park=self._park,
        )

    async def _raise_alarms(self, alarms: Sequence[Alarm]) -> None:
        await self._parts.engine.raise_alarms(alarms)

    async def _park(self, messages: Sequence[Parked]) -> None:
        rows = [(self._parts.clock.new_id(), message) for message in messages]
        async with self._parts.databases.house.transaction() as connection:
            await record.add_parked(connection, rows)

    def _acknowledge(self, done: Iterable[Message | Unreadable]) -> None:
        self._connection.acknowledge(done)

    async def run(self) -> None:
        """Take alarms in until cancelled."""
        await self._parts.engine.prepare()
        async with asyncio.TaskGroup() as tasks:
            for run in (self._parts.engine.run, self._intake.run, self._connection.run):
                tasks.create_task(run())


def _not_ours(_readings: Sequence[Vitals]) -> Sequence[Alarm]:
    return ()


async def _not_our_lane(_heard: Sequence[Vitals | Housekeeping]) -> None:
    raise AssertionError("only alarms are heard here")


def main() -> None:
    """Serve until killed."""
    settings = read_settings().settings
    logs.set_up(settings.log_level)
    asyncio.run(SharedIngest(make_parts(settings, SystemClock())).run())


if __name__ == "__main__":
    main()
