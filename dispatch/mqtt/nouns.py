"""What a connection is told, and what it hands over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import ssl


@dataclass(frozen=True, slots=True)
class Address:
    """Where the broker is and how to sign in; `tls` None means plain TCP."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What to listen to, at QoS 0 or 1; `no_local` leaves out what this very connection published."""

    topic_filter: str
    qos: int = 1
    no_local: bool = False

    def __post_init__(self) -> None:
        if self.qos not in (0, 1):  # QoS 2 would need a second round trip, and our own de-duplication does better
            raise ValueError(f"QoS {self.qos} is not supported")


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes when this connection ends without a good-bye, `delay_s` seconds after."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    delay_s: int = 0
    expiry_s: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """What the broker is told about us. A client id has one session, kept for `expiry_s` after a loss.

    At most `receive_maximum` messages are out unacknowledged. A silent broker is given up after 1.5 × `keep_alive_s`.
    """

    client_id: str
    subscriptions: tuple[Subscription, ...] = ()
    receive_maximum: int = 1000
    expiry_s: int = 86_400
    keep_alive_s: int = 10
    clean_start: bool = False
    will: Will | None = None


class Message(Struct, frozen=True, gc=False):
    """One message received. Give it back to `Connection.acknowledge` when its content is safe.

    `token` names this one delivery on this one connection; None for QoS 0, which is not acknowledged. `retain` is true
    only for a message the broker had kept.
    """

    topic: str
    payload: bytes
    qos: int
    retain: bool
    token: int | None


class Unreadable(Struct, frozen=True, gc=False):
    """A packet that could not be read: its bytes as they came, why, and its topic as far as it can be told.

    In `topic` U+FFFD stands for what is not UTF-8 or is NUL; it is empty if nothing can be told.
    It is acknowledged like a message, once it is parked, or the broker would send it again after each reconnect;
    `token` is None where there is nothing to acknowledge.
    """

    packet: bytes
    reason: str
    token: int | None
    topic: str = ""


@dataclass(slots=True)
class Counts:
    """Numbers since the start, for the metrics."""

    received: int = 0
    acknowledged: int = 0
    published: int = 0
    """Put on the wire, repetitions after a reconnect included."""
    confirmed: int = 0
    """Taken over by the broker (PUBACK)."""
    connects: int = 0
    losses: int = 0
    unreadable: int = 0
