"""Looks that are repeated while nothing has changed.

The service's loops ask the same few questions several times a second. As long as nothing was written, and no instant
that the question compares with the present has passed, PostgreSQL would say what it said before; it is not asked again.
Whatever may go wrong on the way there goes wrong all the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dispatch.store import incidents, outbox, roster

if TYPE_CHECKING:
    from simulator.proof.mirror import Mirror

REPEATED = {
    incidents.SQL["due"],
    incidents.SQL["next_due"],
    outbox.SQL["queued"],
    roster.SQL["waiting"],
}
"""Questions about what the mirror sees as well; they ask when clocks run out and when messages were decided."""


class Looks:
    """Answers by question, as long as they hold."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._known: dict[tuple[object, ...], tuple[int, datetime | None, Any]] = {}
        self.spared = 0

    def known(self, query: str, args: tuple[Any, ...]) -> tuple[Any] | None:
        """The answer, in a tuple, if PostgreSQL need not be asked."""
        found = self._known.get(_key(query, args))
        if found is None or found[0] != self._mirror.looks:
            return None
        _, at, answer = found
        now = _instant(args)
        if at is not None and now is not None and self._mirror.has_instant_between(at, now):
            return None
        self.spared += 1
        return (answer,)

    def keep(self, query: str, args: tuple[Any, ...], answer: Any) -> None:
        """PostgreSQL was asked, and said this."""
        self._known[_key(query, args)] = self._mirror.looks, _instant(args), answer


def _key(query: str, args: tuple[Any, ...]) -> tuple[object, ...]:
    return query, *(each for each in args if not isinstance(each, datetime))


def _instant(args: tuple[Any, ...]) -> datetime | None:
    return next((each for each in args if isinstance(each, datetime)), None)
