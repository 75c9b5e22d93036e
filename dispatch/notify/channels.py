"""What a channel is, and which there are: every file of this folder that has an `open_channel` is one.

A channel alone knows whether trying again makes sense: it answers each message with Sent, Retry or GiveUp.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Protocol

import msgspec

from dispatch import notify
from dispatch.model import WorkerId
from dispatch.store.outbox import OutboxMessage


class Sent(msgspec.Struct, frozen=True):
    """The next hop has it (the broker acknowledged, the page's socket took it)."""


class Retry(msgspec.Struct, frozen=True):
    """Not now; try again after a moment, as long as the message is worth something. `reason` is a code."""

    reason: str


class GiveUp(msgspec.Struct, frozen=True):
    """Trying again makes no sense; `reason` is a code."""

    reason: str


Answer = Sent | Retry | GiveUp


class Channel(Protocol):
    """One way to reach somebody."""

    def send(self, message: OutboxMessage) -> Awaitable[Answer]:
        """Try once to hand a message to its next hop. What can be done without waiting is done before this returns."""


@dataclass(frozen=True)
class Means:
    """What app.py lends to the channels.

    `publish` sends bytes to an MQTT topic with an expiry in seconds, at once, and is done when the broker has them;
    awaited, it may raise Unreachable. `name_of` says what people call a worker. `show` brings a worker's open pages up
    to date and tells whether one was open.
    """

    centre_id: str
    now: Callable[[], datetime]
    publish: Callable[[str, bytes, int], Awaitable[object]]
    name_of: Callable[[WorkerId], str | None]
    show: Callable[[WorkerId], Awaitable[bool]]


def open_channels(means: Means) -> dict[str, Channel]:
    """Every channel of this folder by its name, which is its file's."""
    channels: dict[str, Channel] = {}
    for found in pkgutil.iter_modules(notify.__path__):
        module = import_module(f"{notify.__name__}.{found.name}")
        if open_channel := getattr(module, "open_channel", None):
            channels[found.name] = open_channel(means)
    return channels
