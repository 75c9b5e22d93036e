"""What boards hear of the centre itself: its own test press, and presses that cannot be stored just now."""

from __future__ import annotations

from datetime import datetime

import msgspec


class CanaryCard(msgspec.Struct, frozen=True):
    """The service's own test press: when it was last heard all the way, and how long it took until its terminal heard
    `stored` and until the boards had it (None if none was open). Its home's closed exercises are nobody's calls.
    """

    home_id: str | None
    heard_at: datetime | None
    stored_ms: int | None
    shown_ms: int | None


class PhoneCard(msgspec.Struct, frozen=True):
    """Somebody to phone: a resident (no `relation`), or a contact."""

    name: str
    phone: str | None
    relation: str = ""


class UnstoredCard(msgspec.Struct, frozen=True):
    """What one terminal said that is not stored yet: the gravest key, and how many presses. From memory."""

    terminal_id: str
    kind: str
    band: int
    presses: int
    since_at: datetime
    last_at: datetime
    home_id: str | None = None
    address: str = ""
    phone: str | None = None
    people: tuple[PhoneCard, ...] = ()
    contacts: tuple[PhoneCard, ...] = ()


class Unstored(msgspec.Struct, frozen=True, tag="unstored"):
    """Presses that cannot be stored just now, the gravest first (1,000 at most), while there are any.

    `away_since`: since when the database cannot be asked, so that the rest of the board stands still; None while it
    answers. `terminals` and `presses` count all; `used` of `window` unacknowledged messages: near the end more may
    wait with the broker, unseen. One without lines and `away_since` says that it is over.
    """

    server_now: datetime
    away_since: datetime | None = None
    lines: tuple[UnstoredCard, ...] = ()
    terminals: int = 0
    presses: int = 0
    used: int = 0
    window: int = 0
