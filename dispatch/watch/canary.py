"""The canary: a test key pressed every minute on a registered terminal, through the real broker, and timed all the way.

It has a connection of its own, like a terminal's. Its presses carry `test`, so each is an exercise that is answered and
closed at once and troubles nobody. What it does not hear is missed; so many missed in a row are its alarm, whatever the
reason: broker, database, engine or boards.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import DispatchError
from dispatch.model import HomeId, IncidentId
from dispatch.mqtt import Address, Connection, Message, Session, Subscription

FIRST_AFTER_S = 3.0
STORED_WITHIN_S = 20.0
"""A terminal gives up on the network after so long without `stored`."""
SHOWN_WITHIN_S = 10.0
LOOK_EVERY_S = 0.02
AGAIN_AFTER_MISS_S = 15.0
log = logs.get("canary")


class _Receipt(msgspec.Struct):
    alarm_id: str
    stage: str
    incident_id: UUID | None = None


_receipt = msgspec.json.Decoder(_Receipt)


@dataclass(frozen=True)
class Bird:
    """Which terminal is pressed, how often (seconds), and how many missed presses in a row are an alarm."""

    terminal_id: str
    every_s: float
    missed_max: int


@dataclass(frozen=True)
class Sight:
    """What the canary asks of the others.

    `boards` counts the open boards here; `shown_s` says when (on the clock's `elapsed`) an exercise was put before
    them, None if it was not yet; `home_of` finds an incident's home; `timed(stage, seconds)` is told of each heard.
    """

    boards: Callable[[], int]
    shown_s: Callable[[IncidentId], float | None]
    home_of: Callable[[IncidentId], Awaitable[HomeId | None]]
    timed: Callable[[str, float], None] = lambda _stage, _seconds: None


class Canary:
    """`run` presses until cancelled. `heard_at`, `took_stored_s` and `took_shown_s` are of the last press heard."""

    def __init__(self, address: Address, centre_id: str, bird: Bird, clock: Clock, sight: Sight) -> None:
        self.heard_at: datetime | None = None
        self.took_stored_s: float | None = None
        self.took_shown_s: float | None = None
        self.home_id: HomeId | None = None
        self.missed = 0
        self._silent_at = ""
        self._bird, self._clock, self._sight = bird, clock, sight
        self._topic = f"onekey/1/{centre_id}/{bird.terminal_id}/alarm"
        self._alarm_id = ""
        self._heard = asyncio.Event()
        self._heard_s = 0.0
        self._is_heard = False
        self._incident_id: IncidentId | None = None
        self.connection = Connection(
            address,
            Session(
                f"{centre_id}-canary",
                (Subscription(f"onekey/1/{centre_id}/{bird.terminal_id}/receipt"),),
                receive_maximum=20,
                expiry_s=0,
                clean_start=True,
            ),
            clock=clock,
            on_batch=self._hear,
            on_unreadable=lambda packet: self.connection.acknowledge([packet]),
        )

    def fails(self) -> dict[str, Any] | None:
        """How many presses in a row were missed, and at which stage the last; None while that is not too many."""
        if self.missed < self._bird.missed_max:
            return None
        return {"missed": self.missed, "stage": self._silent_at}

    def sings(self) -> bool:
        """Whether the last press was heard all the way, since `run` began."""
        return self._is_heard

    async def run(self) -> None:
        """Press again and again until cancelled."""
        self.missed, self._is_heard = 0, False
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.connection.run(), name="canary connection")
            tasks.create_task(self._press_on(), name="canary")

    async def _press_on(self) -> None:
        await self._clock.sleep(FIRST_AFTER_S)
        while True:
            began_s = self._clock.elapsed()
            is_heard = await self.press()
            every_s = self._bird.every_s if is_heard else min(self._bird.every_s, AGAIN_AFTER_MISS_S)
            await self._clock.sleep(max(1.0, every_s - (self._clock.elapsed() - began_s)))

    async def press(self) -> bool:
        """Press once and wait for what comes of it; whether all of it came."""
        began_s = self._clock.elapsed()
        self._alarm_id, self._incident_id = f"canary-{self._clock.new_id()}", None
        self._heard.clear()
        self._publish()
        if not await self._clock.wait(self._heard, STORED_WITHIN_S):
            return self._miss("stored")
        stored_s = self._heard_s - began_s
        shown_s = await self._wait_until_shown()
        if shown_s is None and self._sight.boards():
            return self._miss("shown")
        self._is_heard = True
        self.missed, self.heard_at, self.took_stored_s = 0, self._clock.now(), stored_s
        self.took_shown_s = None if shown_s is None else max(0.0, shown_s - began_s)
        self._sight.timed("stored", stored_s)
        if self.took_shown_s is not None:
            self._sight.timed("shown", self.took_shown_s)
        await self._find_home()
        return True

    def _publish(self) -> None:
        press = {"id": self._alarm_id, "at": self._clock.now(), "key": "sos", "test": True}
        sending = self.connection.publish(self._topic, msgspec.json.encode(press), expiry_s=int(STORED_WITHIN_S))
        sending.add_done_callback(_look_away)

    def _miss(self, stage: str) -> bool:
        self.missed += 1
        self._is_heard = False
        self._silent_at = stage
        log.error("canary_missed", stage=stage, missed=self.missed)
        return False

    def _hear(self, messages: Sequence[Message]) -> None:
        self.connection.acknowledge(messages)
        for message in messages:
            try:
                receipt = _receipt.decode(message.payload)
            except msgspec.MsgspecError:
                continue
            if receipt.alarm_id == self._alarm_id and receipt.stage == "stored" and not self._heard.is_set():
                self._incident_id = IncidentId(receipt.incident_id) if receipt.incident_id else None
                self._heard_s = self._clock.elapsed()
                self._heard.set()

    async def _wait_until_shown(self) -> float | None:
        """When the boards here had it, or None if there are none, or they have not got it in time."""
        until_s = self._clock.elapsed() + SHOWN_WITHIN_S
        while self._incident_id is not None and self._sight.boards():
            shown_s = self._sight.shown_s(self._incident_id)
            if shown_s is not None or self._clock.elapsed() >= until_s:
                return shown_s
            await self._clock.sleep(LOOK_EVERY_S)
        return None

    async def _find_home(self) -> None:
        if self.home_id is None and self._incident_id is not None:
            try:
                self.home_id = await self._sight.home_of(self._incident_id)
            except DispatchError as error:  # it is asked again after the next press
                log.warning("canary_home_unknown", code=error.code)


def _look_away(sending: asyncio.Future[bool]) -> None:
    """What became of a press is told by its receipt alone; a failure to send it is a press missed."""
    if not sending.cancelled():
        sending.exception()
