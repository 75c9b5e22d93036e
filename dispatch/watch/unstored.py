"""Presses that were heard and are not stored yet, folded by terminal, for every board to show while they wait.

It costs a press two entries of a dictionary; nothing is looked up until somebody must see it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from dispatch.incident.policy import Policies
from dispatch.model import Alarm, Band, Key, TerminalId, Unreadable
from dispatch.watch.homes import HomeTold

SHOWN_AFTER = timedelta(seconds=1)
"""In a flood a press may wait so long without anything being wrong."""
LINES_MAX = 1_000
LOOKED_AT_MAX = 5_000
"""Of more terminals than this only the oldest are put in order, and the others counted: a look must stay short."""
LOOKED_UP_AT_ONCE = 50
"""A look-up costs some 0.2 ms; the others have theirs at the next look."""

Heard = object
"""An Alarm, an Unreadable, or anything else that a lane hears."""


class _Wait:
    """What one terminal said that is not stored. `said`: how many messages of each press are still waiting."""

    __slots__ = ("home", "is_looked_up", "key", "last_at", "said", "since_at")

    def __init__(self, key: Key, at: datetime) -> None:
        self.key = key
        self.since_at = self.last_at = at
        self.said: dict[bytes, int] = {}
        self.is_looked_up = False
        self.home: HomeTold | None = None


class Line(msgspec.Struct, frozen=True):
    """One terminal: its gravest key, how many presses wait, since when and until when it was heard; `home` if known."""

    terminal_id: TerminalId
    key: Key
    band: Band
    presses: int
    messages: int
    since_at: datetime
    last_at: datetime
    home: HomeTold | None


class Waiting(msgspec.Struct, frozen=True):
    """All that waits: the gravest and oldest lines, and how many terminals and presses there are in all."""

    lines: tuple[Line, ...] = ()
    terminals: int = 0
    presses: int = 0


class Unstored:
    """`heard` and `settled` are told of each message of the alarms' lane; `look` says what waits too long."""

    def __init__(self, policies: Policies, find: Callable[[TerminalId], HomeTold | None]) -> None:
        self._policies = policies
        self._find = find
        self._waits: dict[TerminalId, _Wait] = {}

    def __len__(self) -> int:
        return len(self._waits)

    def forget(self) -> None:
        """Nothing waits here any more: another lane begins, and the broker sends again what was not acknowledged."""
        self._waits.clear()

    def heard(self, things: Iterable[Heard]) -> None:
        """These came in."""
        for thing in things:
            if isinstance(thing, Alarm):
                if thing.cancel_of is None and not thing.is_test:
                    self._add(thing.terminal_id, thing.key, thing.alarm_id.encode() + thing.digest, thing.received_at)
            elif isinstance(thing, Unreadable) and thing.terminal_id is not None:
                self._add(thing.terminal_id, Key.UNREADABLE, thing.payload, thing.received_at)

    def _add(self, terminal_id: TerminalId, key: Key, press: bytes, at: datetime) -> None:
        wait = self._waits.get(terminal_id)
        if wait is None:
            wait = self._waits[terminal_id] = _Wait(key, at)
        elif self._policies[key].band < self._policies[wait.key].band:
            wait.key = key
        wait.last_at = at
        wait.said[press] = wait.said.get(press, 0) + 1

    def settled(self, things: Iterable[Heard]) -> None:
        """These are stored or parked."""
        for thing in things:
            if isinstance(thing, Alarm):
                self._remove(thing.terminal_id, thing.alarm_id.encode() + thing.digest)
            elif isinstance(thing, Unreadable) and thing.terminal_id is not None:
                self._remove(thing.terminal_id, thing.payload)

    def _remove(self, terminal_id: TerminalId, press: bytes) -> None:
        wait = self._waits.get(terminal_id)
        if wait is None or press not in wait.said:
            return
        wait.said[press] -= 1
        if not wait.said[press]:
            del wait.said[press]
            if not wait.said:
                del self._waits[terminal_id]

    # --- what a person should see -------------------------------------------------------------------------------

    def look(self, now: datetime, *, is_away: bool) -> Waiting:
        """What waits: all of it while the database is away, else what has waited for `SHOWN_AFTER`.

        What nobody can read counts only from a terminal of ours, as far as memory knows.
        """
        if not self._waits:
            return Waiting()
        oldest_at = now if is_away else now - SHOWN_AFTER
        oldest = itertools.islice(self._waits.items(), LOOKED_AT_MAX)
        waits = [(terminal_id, wait) for terminal_id, wait in oldest if wait.since_at <= oldest_at]
        waits.sort(key=lambda each: (self._policies[each[1].key].band, each[1].since_at))
        self._look_up(waits)
        waits = [each for each in waits if each[1].key is not Key.UNREADABLE or each[1].home is not None]
        unseen = max(0, len(self._waits) - LOOKED_AT_MAX)
        return Waiting(
            lines=tuple(self._line(terminal_id, wait) for terminal_id, wait in waits[:LINES_MAX]),
            terminals=len(waits) + unseen,
            presses=sum(len(wait.said) for _, wait in waits) + unseen,
        )

    def _look_up(self, waits: Sequence[tuple[TerminalId, _Wait]]) -> None:
        unknown = [each for each in waits[:LINES_MAX] if not each[1].is_looked_up]
        for terminal_id, wait in unknown[:LOOKED_UP_AT_ONCE]:
            wait.home, wait.is_looked_up = self._find(terminal_id), True

    def _line(self, terminal_id: TerminalId, wait: _Wait) -> Line:
        return Line(
            terminal_id=terminal_id,
            key=wait.key,
            band=self._policies[wait.key].band,
            presses=len(wait.said),
            messages=sum(wait.said.values()),
            since_at=wait.since_at,
            last_at=wait.last_at,
            home=wait.home,
        )
