"""Garbage without end, each piece from a terminal nobody has heard of: a running service remembers none of it."""

from __future__ import annotations

import gc
import tracemalloc

import msgspec

from tests.flows.conftest import Centre, clock, town

from .amount import KEPT, TIMES, count
from .said import ALARM, BEAT, FAULT, REPLY, STATE, VITALS
from .test_messages import Message, heard_to_the_end, publish

__all__ = ["clock", "town"]

AT_ONCE = 200
KEPT_BYTES_MAX = 150
"""For each message, on average: less than the terminal's id and the payload take, so neither was kept."""

GARBAGE = [
    *((f"{topic}", b"\xff\x00{" * 20) for topic in ("alarm", "vitals", "state", "fault", "command/reply", "beat")),
    *(
        (topic, msgspec.json.encode(said | {"extra": "x" * 100}))
        for topic, said in (("vitals", VITALS), ("state", STATE))
    ),
    *((topic, msgspec.json.encode(said | {"extra": "x" * 100})) for topic, said in (("fault", FAULT), ("beat", BEAT))),
    ("command/reply", msgspec.json.encode(REPLY)),
    ("alarm", msgspec.json.encode(ALARM | {"key": "lottery"})),
    ("no/such/topic", b"{}"),
]


def garbage(first: int) -> list[Message]:
    """A batch whose terminals' ids, a hundred characters each, begin with this number."""
    numbers = range(first, first + AT_ONCE)
    return [(f"{number:0>100}/{topic}", said) for number in numbers for topic, said in [GARBAGE[number % len(GARBAGE)]]]


async def pour(town: Centre, batches: range) -> None:
    for batch in batches:
        await publish(town, garbage(batch * AT_ONCE))
        await heard_to_the_end(town, f"last-{batch}")
        await town.advance(5)  # what is kept for a while only may go
        count("garbage", AT_ONCE)


async def test_what_was_no_use_is_not_remembered(town: Centre) -> None:
    tracemalloc.start(1)
    try:
        await pour(town, range(3))  # what is made once, and caches
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        batches = range(3, 3 + 2 * TIMES)
        await pour(town, batches)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    kept_bytes = (after - before) / (len(batches) * AT_ONCE)
    count(KEPT, max(0, round(kept_bytes)))
    assert kept_bytes < KEPT_BYTES_MAX
