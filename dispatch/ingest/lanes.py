"""The three connections on which terminals are heard: alarms, readings, housekeeping. They share no queue and no limit.

Their client ids belong to the lease: whoever leads connects, throws a frozen former leader out by that, and inherits
what the broker kept for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dispatch.clock import Clock
from dispatch.devices import kinds
from dispatch.devices.kinds import Lane
from dispatch.ingest.intake import Intake, Ledger
from dispatch.ingest.uses import Sinks, use_of
from dispatch.mqtt import Address, Connection, Message, Session, Subscription, Unreadable


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one lane holds at a time, in messages; `at_once` in batches."""

    receive_maximum: int
    batch_max: int
    at_once: int


LIMITS = {
    # Presses must keep coming while the database is away: as many as MQTT can count.
    Lane.ALARMS: Limits(receive_maximum=65_535, batch_max=500, at_once=8),
    # Two batches under way, so that one is made ready while the other commits, and one in hand: more stays with the
    # broker, which is the back-pressure.
    Lane.VITALS: Limits(receive_maximum=6_000, batch_max=2_000, at_once=2),
    Lane.HOUSEKEEPING: Limits(receive_maximum=2_000, batch_max=1_000, at_once=1),
}


class Lanes:
    """All three lanes; `run` keeps them until cancelled.

    `on_gap(lane)` is called when the broker has kept no session for a lane: what was said meanwhile may be missing.
    Messages down go out on `connections[Lane.HOUSEKEEPING]`. `ledger` hears what waits on the alarms' lane.
    """

    def __init__(
        self,
        address: Address,
        centre_id: str,
        clock: Clock,
        sinks: Sinks,
        on_gap: Callable[[Lane], None],
        *,
        shard: int = 0,
        ledger: Ledger | None = None,
    ) -> None:
        self._address, self._centre_id, self._shard = address, centre_id, shard
        self._clock = clock
        self._on_gap = on_gap
        self._ledger = ledger
        self.connections: dict[Lane, Connection] = {}
        self.intakes: dict[Lane, Intake] = {}
        for lane in Lane:
            self._build(lane, sinks)

    def _build(self, lane: Lane, sinks: Sinks) -> None:
        def acknowledge(done: Iterable[Message | Unreadable]) -> None:
            self.connections[lane].acknowledge(done)

        def connected(session_present: bool) -> None:
            if not session_present:
                self._on_gap(lane)

        limits = LIMITS[lane]
        intake = Intake(
            lane,
            self._clock,
            use_of(lane, sinks, self._clock),
            sinks.park,
            acknowledge,
            batch_max=limits.batch_max,
            at_once=limits.at_once,
            ledger=self._ledger if lane is Lane.ALARMS else None,
        )
        self.intakes[lane] = intake
        self.connections[lane] = Connection(
            self._address,
            Session(
                f"{self._centre_id}-{lane.value}-{self._shard}",
                tuple(Subscription(topic.topic_filter, topic.qos) for topic in kinds.topics(self._centre_id, lane)),
                limits.receive_maximum,
            ),
            clock=self._clock,
            on_batch=intake.receive,
            on_unreadable=intake.receive_unreadable,
            on_connected=connected,
        )

    @property
    def are_connected(self) -> bool:
        """Whether every lane hears."""
        return all(connection.is_connected for connection in self.connections.values())

    async def run(self) -> None:
        """Listen, and make safe what is heard, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for lane in Lane:
                tasks.create_task(self.intakes[lane].run(), name=f"intake {lane.value}")
                tasks.create_task(self.connections[lane].run(), name=f"connection {lane.value}")
