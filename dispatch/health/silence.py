"""No activity: nothing heard from a home that usually speaks. Pure.

A sign is whatever shows that somebody lives there: a reading taken, a key pressed, a sensor that moved. The heartbeat
of a device on the wall is none: that one belongs to the terminal's presence.

Our own deafness is not their silence (DESIGN.md section 6): time counts only while we were listening. A silence over
an hour in which the broker was away is an hour shorter.

How long a home is ordinarily silent comes from its own past: of each day the longest silence that *ended* on it, which
for most homes is the night; of `USUAL_DAYS` such days the median, so that a week with the daughter moves nothing. A day
on which we hardly listened is none. Silent beyond `TOO_LONG` times that, and beyond `ALLOWED_S_MIN` in any case, is too
long. A home with fewer than `USUAL_DAYS_MIN` such days does not usually speak, and its silence says nothing. All these
figures are ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import pairwise
from statistics import median

import msgspec

USUAL_DAYS = 14
USUAL_DAYS_MIN = 5
TOO_LONG = 2.0
ALLOWED_S_MIN = 6 * 3600.0
LISTENED_S_MIN = 20 * 3600.0
"""A day listened to for less would make a home look as if it were never silent for long."""
CODE = "no_activity"


class Span(msgspec.Struct, frozen=True, order=True):
    """A stretch of time in which we were listening."""

    start_at: datetime
    end_at: datetime


class LongestSilence(msgspec.Struct, frozen=True):
    """The longest silence that ended on a day, in seconds listened."""

    day: date
    silent_s: float


class Silence(msgspec.Struct, frozen=True):
    """How long a home has been silent since `heard_at`, and how long it may be, in seconds listened.

    `code` is `no_activity` if that is too long, else None.
    """

    heard_at: datetime
    silent_s: float
    allowed_s: float
    code: str | None


def joined(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans in order that neither touch nor overlap; empty and reversed ones fall away."""
    whole: list[Span] = []
    for span in sorted(span for span in spans if span.start_at < span.end_at):
        if whole and span.start_at <= whole[-1].end_at:
            whole[-1] = Span(whole[-1].start_at, max(whole[-1].end_at, span.end_at))
        else:
            whole.append(span)
    return whole


def listened_s(listening: Iterable[Span], since_at: datetime, until_at: datetime) -> float:
    """Seconds between two instants in which we were listening; 0 if they are the wrong way round."""
    return sum(
        max(0.0, (min(span.end_at, until_at) - max(span.start_at, since_at)).total_seconds())
        for span in joined(listening)
    )


def longest_by_day(heard: Iterable[datetime], listening: Sequence[Span], zone: tzinfo) -> list[LongestSilence]:
    """Of each day the longest silence that ended on it, the oldest day first; `zone` says when a day begins.

    `heard` are the signs by the time they were received, in any order and doubled or not. The first sign of all ends a
    silence of unknown length, so it is none. Days listened to for less than `LISTENED_S_MIN` are left out.
    """
    spans = joined(listening)
    longest: dict[date, float] = {}
    for before_at, after_at in pairwise(sorted(set(heard))):
        day = after_at.astimezone(zone).date()
        longest[day] = max(longest.get(day, 0.0), listened_s(spans, before_at, after_at))
    return [LongestSilence(day, longest[day]) for day in sorted(longest) if _is_listened(day, spans, zone)]


def _is_listened(day: date, spans: Sequence[Span], zone: tzinfo) -> bool:
    starts_at, ends_at = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    return listened_s(spans, starts_at.astimezone(UTC), ends_at.astimezone(UTC)) >= LISTENED_S_MIN


def allowed_s(days: Iterable[LongestSilence], today: date) -> float | None:
    """How long a home may be silent, in seconds listened; None for one that does not usually speak.

    The days before today count, not today itself: it is not over, and what is being judged.
    """
    oldest = today - timedelta(days=USUAL_DAYS)
    usual = [each.silent_s for each in days if oldest <= each.day < today]
    if len(usual) < USUAL_DAYS_MIN:
        return None
    return max(ALLOWED_S_MIN, TOO_LONG * median(usual))


def silence(heard_at: datetime, listening: Iterable[Span], allowed: float | None, now: datetime) -> Silence | None:
    """The present silence of a home last heard at `heard_at`; None if it does not usually speak (`allowed` is None)."""
    if allowed is None:
        return None
    silent_s = listened_s(listening, heard_at, now)
    return Silence(heard_at, silent_s, allowed, CODE if silent_s > allowed else None)
