"""Ends this process without warning at a named point, so that what survives can be tested on the real thing.

`ONEKEY_CRASH_AT=before_commit:3` ends it when it gets to that point for the third time. In ordinary running no point is
named, and passing one costs a comparison.
"""

from __future__ import annotations

import asyncio
import os

CRASH_AT = "ONEKEY_CRASH_AT"
POINTS = {
    "received": "messages are in memory, and nothing has been done with them",
    "after_decision": "it is decided, and nothing is written",
    "before_commit": "rows are written, and not committed",
    "after_commit": "it is durable, and nobody knows",
    "before_receipt": "the terminal's receipt is about to go out",
    "before_send": "a worker's offer, or what else is sent, is about to go out",
    "after_puback": "the broker has been told that they are safe",
}
STATUS = 86
"""What the process's end says, so that nobody takes it for another."""

_point, _, _times = os.environ.get(CRASH_AT, "").partition(":")
_left = int(_times or 1)
assert not _point or _point in POINTS, f"{CRASH_AT} names no point: {_point}"


def crash_at(point: str, *, is_on_its_way: bool = False) -> None:
    """End here if this is the point. `is_on_its_way`: bytes given to a socket leave with the loop's next turn; wait for
    them.
    """
    if point == _point:
        _count_down(is_on_its_way)


def _count_down(is_on_its_way: bool) -> None:
    global _left  # noqa: PLW0603 - a process ends once
    _left -= 1
    if _left:
        return
    if is_on_its_way:
        asyncio.get_running_loop().call_later(0.005, os._exit, STATUS)
    else:
        os._exit(STATUS)
