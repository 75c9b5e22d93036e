"""What happened, line by line, kept for the day a promise is broken; and how often each kind of fault struck."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LINES_KEPT = 400
"""About the last minutes of a busy time: what led to a broken promise lies within."""


class Story:
    """`tell` writes a line at the present virtual time; `strike` does so for a fault, and counts it."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lines: deque[tuple[float, str, str]] = deque(maxlen=LINES_KEPT)
        self.faults: Counter[str] = Counter()
        self.broken: dict[str, None] = {}

    def tell(self, who: str, what: str) -> None:
        """Something happened."""
        self._lines.append((self._now_s(), who, what))

    def strike(self, fault: str, who: str, what: str = "") -> None:
        """A fault struck."""
        self.faults[fault] += 1
        self._lines.append((self._now_s(), who, f"! {fault} {what}".rstrip()))

    def breach(self, promise: str) -> None:
        """A promise is broken; each is told once."""
        if promise not in self.broken:
            self.broken[promise] = None
            self._lines.append((self._now_s(), "BROKEN", promise))

    def lines(self) -> list[str]:
        """The last lines, oldest first."""
        return [f"{_stamp(at_s)}  {who:<10} {what}" for at_s, who, what in self._lines]


def _stamp(at_s: float) -> str:
    minutes, seconds = divmod(at_s, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:06.3f}"
