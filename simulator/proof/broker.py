"""A model of the broker: QoS 1, sessions that outlive connections, redelivery after a reconnect, and its own deaths.

`Link` stands where the service's own MQTT connection stands (`dispatch.mqtt.Connection`), with the same calls. What a
link has not acknowledged comes again to the next one of the same client id; what a link published and the broker did
not confirm is published again. A second connection of the same client id throws the first one out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dispatch.errors import Unreachable
from dispatch.mqtt import Message, Unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from simulator.proof.process import Process
    from simulator.proof.world import World

HOP_S = (0.001, 0.02)
AGAIN_S = (0.2, 2.0)
Said = tuple[str, bytes]


@dataclass
class _Session:
    """What the broker keeps for one client id."""

    queue: deque[Said] = field(default_factory=deque)
    inflight: dict[int, Said] = field(default_factory=dict)
    link: Link | None = None


class Broker:
    """One broker. `on_down` gets what is published for terminals."""

    def __init__(self, world: World, on_down: Callable[[str, bytes], None]) -> None:
        self.world = world
        self.is_up = True
        self._on_down = on_down
        self.sessions: dict[str, _Session] = {}
        self.draw = world.chances("broker")
        self._tokens = 0

    def up(self, client_id: str, topic: str, payload: bytes) -> None:
        """A terminal published; it is kept for whoever has a session."""
        if self.is_up and (session := self.sessions.get(client_id)) is not None:
            session.queue.append((topic, payload))
            self.world.later(self.draw.uniform(*HOP_S), lambda: self._deliver(client_id))

    def down(self, topic: str, payload: bytes) -> None:
        """The service published; terminals hear it."""
        self._on_down(topic, payload)

    def _deliver(self, client_id: str) -> None:
        session = self.sessions.get(client_id)
        if session is None or session.link is None or not session.queue:
            return
        messages = []
        while session.queue:
            said = session.queue.popleft()
            self._tokens += 1
            session.inflight[self._tokens] = said
            messages.append(Message(said[0], said[1], 1, False, self._tokens))
        session.link.hear(messages)

    def sign_in(self, link: Link) -> bool:
        """A link connects; returns whether its session was there."""
        present = link.client_id in self.sessions
        session = self.sessions.setdefault(link.client_id, _Session())
        if session.link is not None:
            self.world.story.tell("broker", f"{link.client_id}: {link.process.name} throws the former one out")
            session.link.drop()
        session.link = link
        if session.inflight:
            self.world.story.strike("redelivered", "broker", f"{len(session.inflight)} of {link.client_id}")
        session.queue.extendleft(reversed(session.inflight.values()))
        session.inflight.clear()
        self.world.later(self.draw.uniform(*HOP_S), lambda: self._deliver(link.client_id))
        return present

    def sign_out(self, link: Link) -> None:
        """A link is gone."""
        session = self.sessions.get(link.client_id)
        if session is not None and session.link is link:
            session.link = None

    def acknowledged(self, link: Link, token: int) -> Said | None:
        """A link says that a message is safe; those of an earlier connection are passed over."""
        session = self.sessions.get(link.client_id)
        return session.inflight.pop(token, None) if session is not None and session.link is link else None

    def die(self, *, forgets: bool, for_s: float) -> None:
        """The broker restarts; with it all connections end, and perhaps all sessions."""
        self.world.story.strike("broker_forgets" if forgets else "broker_restarts", "broker", f"{for_s:.1f} s")
        self.is_up = False
        for session in self.sessions.values():
            if session.link is not None:
                session.link.drop()
        if forgets:
            self.sessions.clear()
        self.world.later(for_s, self._come_back)

    def _come_back(self) -> None:
        self.is_up = True


class Link:
    """One client id's connection, of one process, as `dispatch.mqtt.Connection` looks to its users."""

    def __init__(
        self,
        process: Process,
        client_id: str,
        on_batch: Callable[[Sequence[Message]], None] = lambda _messages: None,
        on_connected: Callable[[bool], None] = lambda _present: None,
    ) -> None:
        self.process, self.client_id = process, client_id
        self._broker = process.broker
        self._on_batch, self._on_connected = on_batch, on_connected
        self._lost = asyncio.Event()
        self.is_connected = False
        self._unsent: deque[tuple[Said, asyncio.Future[bool]]] = deque()
        self._held: list[Message] = []

    async def run(self) -> None:
        """Be connected until cancelled."""
        draw = self._broker.draw
        try:
            while True:
                await self.process.clock.sleep(draw.uniform(*HOP_S))
                await self.process.point(f"connect {self.client_id}")
                if self._broker.is_up:
                    self._connect()
                    await self._lost.wait()
                    self.is_connected = False
                await self.process.clock.sleep(draw.uniform(*AGAIN_S))
        finally:
            self.is_connected = False
            self._broker.sign_out(self)
            for _, future in self._unsent:
                if not future.done():
                    future.set_exception(Unreachable("mqtt_closed"))

    def _connect(self) -> None:
        self._lost.clear()
        self.is_connected = True
        self._on_connected(self._broker.sign_in(self))
        for said, future in self._unsent:
            self._hand_over(said, future)

    def drop(self) -> None:
        """The connection ends."""
        self._broker.sign_out(self)
        self.is_connected = False
        self._held.clear()
        self._lost.set()

    def hear(self, messages: list[Message]) -> None:
        """Messages arrive; a frozen process finds them when it wakes."""
        if self.process.is_frozen:
            self._held += messages
        elif not self.process.is_dead:
            self._on_batch(messages)

    def thaw(self) -> None:
        """What arrived meanwhile is read."""
        held, self._held = self._held, []
        if held and self.is_connected:
            self._on_batch(held)

    def acknowledge(self, done: Iterable[Message | Unreadable]) -> None:
        """Tell the broker that these are safe."""
        self.process.point_now("before PUBACK")
        for message in done:
            if message.token is not None and (said := self._broker.acknowledged(self, message.token)) is not None:
                self.process.centre.acknowledged(self.process, *said)
        self.process.point_now("after PUBACK")

    def publish(self, topic: str, payload: bytes, *, expiry_s: int | None = None) -> asyncio.Future[bool]:  # noqa: ARG002 - as the real one
        """Send a message; the future is done when the broker has it, which is long before it expires."""
        self.process.point_now("before a send")
        self.process.centre.published(self.process, topic, payload)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._unsent.append(((topic, payload), future))
        if self.is_connected:
            self._hand_over((topic, payload), future)
        self.process.point_now("after a send")
        return future

    def _hand_over(self, said: Said, future: asyncio.Future[bool]) -> None:
        def arrive() -> None:
            if self.process.is_dead or not self._broker.is_up:
                return
            self._broker.down(*said)
            draw = self._broker.draw
            if self.process.trouble.is_stormy and draw.random() < 0.02:
                self.process.strike("puback_lost", said[0])
                self.drop()  # the link breaks before the broker's word arrives: it is published again
            else:
                self.process.world.later(draw.uniform(*HOP_S), lambda: self._confirmed(said, future))

        self.process.world.later(self._broker.draw.uniform(*HOP_S), arrive)

    def _confirmed(self, said: Said, future: asyncio.Future[bool]) -> None:
        if (said, future) in self._unsent:
            self._unsent.remove((said, future))
        if not future.done():
            future.set_result(True)
