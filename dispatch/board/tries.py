"""How often somebody may try: a bucket of tries that fills again with time, so that nobody is locked out for good."""

from __future__ import annotations

from dispatch.clock import Clock
from dispatch.errors import DispatchError

KEPT_MAX = 10_000


class TooOften(DispatchError):
    """Too many tries; `retry_after_s` says when the next makes sense (HTTP 429)."""


class Tries:
    """`at_once` tries for each key, one more every `every_s` seconds."""

    def __init__(self, clock: Clock, at_once: int, every_s: float) -> None:
        self._clock = clock
        self._at_once = at_once
        self._every_s = every_s
        self._full_at: dict[object, float] = {}

    def expect(self, key: object) -> None:
        """Raises TooOften (`too_many_tries`) if this key has used up its tries."""
        wait_s = self._full_at.get(key, 0.0) - self._clock.elapsed() - (self._at_once - 1) * self._every_s
        if wait_s > 0:
            raise TooOften("too_many_tries", retry_after_s=int(wait_s) + 1)

    def forgive(self, key: object) -> None:
        """The last try of this key was a good one after all."""
        if key in self._full_at:
            self._full_at[key] -= self._every_s

    def count(self, key: object) -> None:
        """This key tries."""
        now_s = self._clock.elapsed()
        if len(self._full_at) >= KEPT_MAX:
            self._full_at = {each: at for each, at in self._full_at.items() if at > now_s}
        self._full_at[key] = max(self._full_at.get(key, 0.0), now_s) + self._every_s
