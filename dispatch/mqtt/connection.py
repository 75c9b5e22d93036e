"""A connection to the broker that stays: it comes back after every loss, and forgets nothing that was not confirmed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import mqtt5

from dispatch import logs
from dispatch.clock import Clock, limit
from dispatch.mqtt import wire
from dispatch.mqtt.link import Ears, Link
from dispatch.mqtt.nouns import Address, Counts, Message, Session, Unreadable, Will
from dispatch.mqtt.outgoing import Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

CONNECT_LIMIT_S = 5.0
"""For the name, TCP and TLS together."""

LEAVE_LIMIT_S = 1.0

BACKOFF_MIN_S = 0.2
BACKOFF_MAX_S = 2.0
"""Terminals come back within a second or two of a broker's return, and what they say reaches nobody before we do."""

STEADY_AFTER_S = 10.0
GIVE_WAY_S = 10.0

TAKEN_OVER = "session_taken_over"
"""Why the broker ends a connection when another signs in with the same client id. Mosquitto 2.0.11 does not say it;
what keeps two from fighting there is that whoever loses the lease stops its connections."""


def _connect_packet(address: Address, session: Session) -> mqtt5.ConnectPacket:
    will = session.will
    return mqtt5.ConnectPacket(
        session.client_id,
        username=address.username,
        password=None if address.password is None else address.password.encode(),
        clean_start=session.clean_start,
        will=None if will is None else _last_will(will),
        keep_alive=session.keep_alive_s,
        session_expiry_interval=session.expiry_s,
        receive_max=session.receive_maximum,
        max_packet_size=wire.PACKET_MAX_BYTES,
    )


def _last_will(will: Will) -> mqtt5.Will:
    return mqtt5.Will(
        will.topic,
        payload=will.payload,
        qos=mqtt5.QoS(will.qos),
        retain=will.retain,
        message_expiry_interval=will.expiry_s,
        will_delay_interval=will.delay_s,
    )


class Connection:
    """One client id on one broker.

    `on_batch` gets all messages that arrived together, in order, and must only put them somewhere: it runs inside the
    event loop's reading of the socket. Each message, and each packet that could not be read, is to be given to
    `acknowledge` once it is safe; until then it keeps one of the session's `receive_maximum` places, and after a loss
    it comes again (as another `Message`: who cares about doubles looks for them).

    `on_connected(session_present)` is called when all subscriptions stand; False means the broker may have dropped
    what was sent meanwhile. `on_lost(reason)` follows when that connection ends.
    """

    def __init__(
        self,
        address: Address,
        session: Session,
        *,
        clock: Clock,
        on_batch: Callable[[list[Message]], None],
        on_unreadable: Callable[[Unreadable], None],
        on_connected: Callable[[bool], None] = lambda _present: None,
        on_lost: Callable[[str], None] = lambda _reason: None,
        unsent_max: int = 50_000,
    ) -> None:
        self._address, self._session = address, session
        self._clock = clock
        self._on_batch, self._on_unreadable = on_batch, on_unreadable
        self._on_connected, self._on_lost = on_connected, on_lost
        self._log = logs.get("mqtt").bind(client_id=session.client_id)
        self._outgoing = Outgoing(unsent_max)
        self._link: Link | None = None
        self._is_connected = False
        self._hello = _connect_packet(address, session)
        self._ears = Ears(
            ready=self._ready,
            received=self._received,
            unreadable=self._unreadable,
            token=self._token,
            published=self._published,
            may_write=self._pump,
        )
        self._receipts: dict[int, bytes] = {}
        self._last_token = 0
        self._will_pump = False
        self.counts = Counts()
        self.broker_says: str | None = None
        """Why the last attempt or connection ended; None while connected."""

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and all subscriptions, and has been heard from lately."""
        return self._is_connected

    @property
    def unacknowledged(self) -> int:
        """Messages received on this connection and not yet acknowledged."""
        return len(self._receipts)

    @property
    def unsent(self) -> int:
        """Messages given to `publish` that the broker has not confirmed."""
        return len(self._outgoing)

    async def run(self) -> None:
        """Be connected until cancelled; then say good-bye, and fail what could not be published."""
        failures = 0
        try:
            while True:
                steady = await self._once()
                failures = 0 if steady else failures + 1
                await self._rest(failures)
        finally:
            self._outgoing.close()

    async def _once(self) -> bool:
        """One attempt, and the connection that comes of it, to its end; True if it stood for a good while."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        link = Link(self._ears, self._hello, self._session.subscriptions)
        address = self._address
        self._link = link
        try:
            async with limit(CONNECT_LIMIT_S):
                await loop.create_connection(lambda: link, address.host, address.port, ssl=address.tls)
        except (OSError, TimeoutError) as problem:  # ssl.SSLError is an OSError
            self._ended(f"unreachable ({str(problem) or 'no answer'})")
            return False
        try:
            self._ended(await asyncio.shield(link.lost))
        except asyncio.CancelledError:
            await self._leave(link)
            raise
        return loop.time() - began > STEADY_AFTER_S

    async def _leave(self, link: Link) -> None:
        link.leave()
        try:
            async with limit(LEAVE_LIMIT_S):
                await asyncio.shield(link.lost)
        except TimeoutError:
            link.drop("left")
        self._ended("left")

    def _backoff_s(self, failures: int) -> float:
        if (self.broker_says or "").startswith(TAKEN_OVER):
            return GIVE_WAY_S  # another leads in our name: give way rather than fight for the session
        return min(BACKOFF_MAX_S, BACKOFF_MIN_S * 2.0 ** min(failures, 16))

    async def _rest(self, failures: int) -> None:
        """Wait before the next attempt, in real time: the broker is outside, and knows nothing of a virtual clock."""
        half = self._backoff_s(failures) / 2
        try:
            async with limit(half + self._clock.jitter(half)):
                await asyncio.get_running_loop().create_future()
        except TimeoutError:
            return

    def _ended(self, reason: str) -> None:
        was_connected, self._is_connected, self._link = self._is_connected, False, None
        self._receipts.clear()  # those packet ids are dead: the broker sends what they stood for again
        self._outgoing.lost()
        if reason != self.broker_says:
            tell = self._log.info if reason == "left" else self._log.warning
            tell("broker_left" if reason == "left" else "broker_away", reason=reason)
        self.broker_says = reason
        if was_connected:
            self.counts.losses += 1
            self._on_lost(reason)

    def acknowledge(self, done: Iterable[Message | Unreadable]) -> None:
        """Tell the broker, in one write, that these are safe. Those of an earlier connection are passed over."""
        receipts = [
            receipt
            for item in done
            if item.token is not None and (receipt := self._receipts.pop(item.token, None)) is not None
        ]
        if receipts and self._link is not None:
            self._link.write(b"".join(receipts))
            self.counts.acknowledged += len(receipts)

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expiry_s: int | None = None
    ) -> asyncio.Future[bool]:
        """Send a message, in order, as soon as the connection and the broker's window allow.

        The future gives, for QoS 1, whether the broker had a subscriber for it, once the broker has it; for QoS 0 True
        once it is written. It fails with Unreachable (`mqtt_queue_full`, `mqtt_message_expired` in our own queue,
        `mqtt_closed`), Refused (`mqtt_publish_refused`, `mqtt_packet_too_large`) or BadInput (`mqtt_cannot_be_sent`).
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bool] = loop.create_future()
        until = None if expiry_s is None else loop.time() + expiry_s
        self._outgoing.add(topic, payload, qos, until, future, retain=retain)
        self._pump_soon()
        return future

    # --- what the link tells

    def _ready(self, connack: mqtt5.ConnAckPacket) -> None:
        self._is_connected = True
        self.broker_says = None
        self.counts.connects += 1
        self._log.info("broker_connected", session_present=connack.session_present)
        self._outgoing.opened(
            session_present=connack.session_present, window=connack.receive_max, packet_max=connack.max_packet_size
        )
        self._on_connected(connack.session_present)
        self._pump()

    def _token(self, receipt: bytes) -> int:
        self._last_token = token = self._last_token + 1
        self._receipts[token] = receipt
        return token

    def _received(self, messages: list[Message]) -> None:
        self.counts.received += len(messages)
        try:
            self._on_batch(messages)
        except Exception:  # noqa: BLE001 - whatever bug of ours it is, these messages must come again
            # MQTT sends again only to a new connection; on this one they would stay unseen and unacknowledged.
            self._log.exception("consumer_failed", messages=len(messages))
            if self._link is not None:
                self._link.drop("consumer_failed")

    def _unreadable(self, unreadable: Unreadable) -> None:
        self.counts.unreadable += 1
        self._log.error("packet_unreadable", reason=unreadable.reason, size_bytes=len(unreadable.packet))
        self._on_unreadable(unreadable)

    def _published(self, packet_id: int, reason: int) -> None:
        if self._outgoing.acknowledged(packet_id, reason):
            self.counts.confirmed += 1
            self._pump_soon()

    def _pump_soon(self) -> None:
        """Write the first message of a turn of the loop at once, and all others of that turn together after it."""
        if not self._will_pump:
            self._pump()
            self._will_pump = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        """Write what may be written: no more than the broker's window and the transport take."""
        self._will_pump = False
        now_s = asyncio.get_running_loop().time()
        while self._is_connected and self._link is not None and not self._link.paused:
            data, count = self._outgoing.take(now_s)
            if not count:
                return
            self._link.write(data)
            self.counts.published += count
