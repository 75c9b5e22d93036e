"""Tells every terminal, by one retained message, whether the centre listens (DESIGN.md section 5).

On a connection of its own, opened after the lease is won: its will says `lost` with our term as the epoch, 15 s after
we are gone, and whoever leads says `listening`. A frozen leader's late will therefore carries an older epoch, and the
present leader, hearing it, says `listening` again.

The same connection hears how many messages the broker has dropped: it says so nowhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.mqtt import Address, Connection, Message, Session, Subscription, Will

WILL_DELAY_S = 15
DROPPED = "$SYS/broker/publish/messages/dropped"
log = logs.get("centre_state")


class CentreState(msgspec.Struct, frozen=True):
    """`listening` or `lost`; a terminal believes the highest epoch."""

    state: str
    epoch: int
    at: datetime


class CentreStateTeller:
    """Says `listening` for one term, for as long as `run` runs; `on_dropped` hears the broker's count when it rises."""

    def __init__(
        self,
        address: Address,
        centre_id: str,
        clock: Clock,
        term: int,
        on_dropped: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self._clock = clock
        self._on_dropped = on_dropped
        self._dropped = 0
        self._term = term
        self._topic = f"onekey/1/{centre_id}/state"
        self._sayings: set[asyncio.Task[None]] = set()
        session = Session(
            client_id=f"{centre_id}-state",  # the same for every leader: who takes over throws a frozen one out
            subscriptions=(Subscription(self._topic, no_local=True), Subscription(DROPPED, qos=0)),
            receive_maximum=20,
            will=Will(self._topic, self._content("lost"), retain=True, delay_s=WILL_DELAY_S),
        )
        self.connection = Connection(
            address,
            session,
            clock=clock,
            on_batch=self._heard,
            on_unreadable=lambda packet: self.connection.acknowledge([packet]),
            on_connected=lambda _present: self._say(),
        )

    async def run(self) -> None:
        """Keep saying it until cancelled."""
        await self.connection.run()

    def _content(self, state: str) -> bytes:
        return msgspec.json.encode(CentreState(state, self._term, self._clock.now()))

    def _say(self) -> None:
        saying = asyncio.ensure_future(self._publish())
        self._sayings.add(saying)
        saying.add_done_callback(self._sayings.discard)

    async def _publish(self) -> None:
        try:
            await self.connection.publish(self._topic, self._content("listening"), retain=True)
        except Unreachable as error:
            log.warning("not_said", **error.params)

    def _heard(self, messages: Sequence[Message]) -> None:
        """Somebody else spoke for the centre: if it was an older term, say again how things are."""
        self.connection.acknowledge(messages)
        for message in messages:
            if message.topic == DROPPED:
                self._count_dropped(message.payload)
                continue
            try:
                heard = msgspec.json.decode(message.payload, type=CentreState)
            except msgspec.MsgspecError:
                heard = CentreState("unreadable", -1, self._clock.now())
            if heard.epoch < self._term:
                log.warning("older_epoch_heard", epoch=heard.epoch, term=self._term, state=heard.state)
                self._say()

    def _count_dropped(self, payload: bytes) -> None:
        """The broker tells its count when it has changed; one that began anew counts from 0 again."""
        count = int(payload) if payload.isdigit() else 0
        if count > self._dropped:
            log.error("broker_dropped", count=count, before=self._dropped)
            self._on_dropped(count)
        self._dropped = count
