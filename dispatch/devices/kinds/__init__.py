"""One file per kind of terminal, found by scanning this folder. Pure: bytes in, nouns of `dispatch.model` out.

A kind is a module that has what `Kind` names. It never raises on what a terminal sends: whatever the bytes, `decode`
answers with what they mean, or with an `Unreadable` that says why not.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Protocol, cast

from msgspec import Struct

from dispatch.model import Alarm, Beat, CommandReply, Fault, TerminalId, TerminalState, Unreadable, Vitals

Heard = Alarm | Vitals | Fault | TerminalState | Beat | CommandReply | Unreadable
"""All that a terminal can have said."""


class Lane(StrEnum):
    """The connections terminals are heard on; they share nothing, so that readings never delay a press."""

    ALARMS = "alarms"
    VITALS = "vitals"
    HOUSEKEEPING = "housekeeping"


class Topic(Struct, frozen=True):
    """What to subscribe to for one kind, on which lane, at QoS 0 or 1."""

    lane: Lane
    topic_filter: str
    qos: int


class Kind(Protocol):
    """What a module in this folder offers."""

    ROOT: str
    """First level of all its topics; no two kinds share one."""

    def topics(self, centre_id: str) -> Sequence[Topic]:
        """Where its terminals speak."""

    def decode(self, topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
        """What a message means: at least one thing, in the order it was said."""

    def terminal_of(self, topic: str) -> TerminalId | None:
        """Which terminal speaks on a topic; None if it names none that could be one."""

    def receipt_topic(self, centre_id: str, terminal_id: str) -> str:
        """Where one terminal listens for receipts."""

    def command_topic(self, centre_id: str, terminal_id: str) -> str:
        """Where one terminal listens for commands."""


@cache
def kinds() -> dict[str, Kind]:
    """All kinds, by their name (the module's)."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = {name: cast("Kind", importlib.import_module(f"{__name__}.{name}")) for name in names}
    roots = [kind.ROOT for kind in found.values()]
    assert len(set(roots)) == len(roots), f"two kinds of terminal share a first topic level: {roots}"
    return found


@cache
def _by_root() -> dict[str, Kind]:
    return {kind.ROOT: kind for kind in kinds().values()}


def topics(centre_id: str, lane: Lane) -> list[Topic]:
    """What to subscribe to on one lane, over all kinds."""
    return [topic for kind in kinds().values() for topic in kind.topics(centre_id) if topic.lane is lane]


def terminal_of(topic: str) -> TerminalId | None:
    """Which terminal speaks on a topic, of whatever kind it is; None if that cannot be told."""
    kind = _by_root().get(topic.partition("/")[0])
    return None if kind is None else kind.terminal_of(topic)


def decode(topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    """What a message on any subscribed topic means; see `Kind.decode`."""
    kind = _by_root().get(topic.partition("/")[0])
    if kind is None:
        return [Unreadable(None, topic, payload, "unknown_topic", "no kind of terminal speaks here", received_at)]
    return kind.decode(topic, payload, received_at)
