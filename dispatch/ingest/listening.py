"""Tells terminals whether the centre listens (`onekey/1/<centre>/state`, retained).

A connection of its own, opened once the lease is won: its will says `lost` when this process dies, after a delay in
which a restart or a standby can take over. The epoch is the lease's term; a frozen former leader's word that comes
late is spoken over at once.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from dispatch import logs
from dispatch.clock import Clock, limit
from dispatch.errors import DispatchError
from dispatch.mqtt import Address, Connection, Message, Session, Subscription, Unreadable, Will

WILL_DELAY_S = 15
SAY_LOST_WITHIN_S = 0.5


class CentreState(msgspec.Struct):
    """`listening` or `lost`, in which term of the lease; `at` is RFC 3339, or absent in a will."""

    state: str
    epoch: int
    at: str | None = None


_decoder = msgspec.json.Decoder(CentreState)
log = logs.get("listening")


class Listening:
    """The centre's word for one term."""

    def __init__(self, address: Address, centre_id: str, clock: Clock, term: int) -> None:
        self._clock = clock
        self._term = term
        self._topic = f"onekey/1/{centre_id}/state"
        lost = msgspec.json.encode({"state": "lost", "epoch": term})
        self.connection = Connection(
            address,
            Session(
                f"{centre_id}-state",
                (Subscription(self._topic, qos=1, no_local=True),),
                receive_maximum=20,
                will=Will(self._topic, lost, retain=True, delay_s=WILL_DELAY_S),
            ),
            clock=clock,
            on_batch=self._heard,
            on_unreadable=lambda packet: self.connection.acknowledge([packet]),
            on_connected=lambda _present: self._say("listening"),
        )

    def _say(self, state: str) -> None:
        content = {"state": state, "epoch": self._term, "at": self._clock.now().isoformat()}
        said = self.connection.publish(self._topic, msgspec.json.encode(content), retain=True)
        said.add_done_callback(lambda done: done.cancelled() or done.exception())  # the next connection says it again

    def _heard(self, messages: Iterable[Message | Unreadable]) -> None:
        """Somebody else spoke for the centre: an older term is spoken over, a newer one will take our lease away."""
        for message in messages:
            if isinstance(message, Message) and self._is_old(message.payload):
                log.warning("spoken_over", term=self._term)
                self._say("listening")
                break
        self.connection.acknowledge(messages)

    def _is_old(self, payload: bytes) -> bool:
        try:
            return _decoder.decode(payload).epoch <= self._term
        except msgspec.MsgspecError:
            return True

    async def run(self) -> None:
        """Listen until cancelled."""
        await self.connection.run()

    async def say_lost(self) -> None:
        """Tell terminals, on a clean stop, that nobody listens from now on; a successor says otherwise at once."""
        content = {"state": "lost", "epoch": self._term, "at": self._clock.now().isoformat()}
        if not self.connection.is_connected:
            return
        try:
            async with limit(SAY_LOST_WITHIN_S):
                await self.connection.publish(self._topic, msgspec.json.encode(content), retain=True)
        except (TimeoutError, DispatchError) as problem:
            log.warning("lost_not_said", reason=repr(problem))
