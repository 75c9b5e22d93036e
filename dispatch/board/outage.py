"""What boards show while presses cannot be stored: who called, from memory, so that a person can phone.

It needs no database. Its frames are a sign of life as well, so that no page gives its link up meanwhile; each says that
the rest of the board stands still, since when, and when that is over.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from dispatch.board.cards import mask_address, mask_name
from dispatch.board.feed import Feed
from dispatch.board.frames import Frame
from dispatch.board.outage_messages import PhoneCard, Unstored, UnstoredCard
from dispatch.clock import Clock

LOOK_EVERY_S = 0.3
SAID_AGAIN_EVERY_S = 2.0
REST_PER_WORK = 20.0
"""With tens of thousands of presses waiting a look takes long; then it is taken more rarely."""
BYTES_PER_S = 30e6
"""To all boards together: with hundreds of lines and hundreds of boards a change waits for the next frame."""
OVER_SAID_TIMES = 3
"""A page that is behind drops what is sent to it, so the end is said more than once."""
_encode = msgspec.json.Encoder().encode


class Outage:
    """Looks at what waits and puts it before every viewer. `unstored(now, is_away)` is None while nothing waits."""

    def __init__(self, feed: Feed, clock: Clock, unstored: Callable[[datetime, bool], Unstored | None]) -> None:
        self._feed = feed
        self._clock = clock
        self._unstored = unstored
        self._said: Unstored | None = None
        self._said_s = 0.0
        self._pause_s = 0.0
        self._over_to_say = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            began_s = self._clock.elapsed()
            self.step()
            worked_s = self._clock.elapsed() - began_s
            await self._clock.sleep(max(LOOK_EVERY_S, worked_s * REST_PER_WORK))

    def step(self) -> None:
        """Say what waits, if that has changed or was said long ago; never waits."""
        now, away_since = self._clock.now(), self._feed.still_since
        waits = self._unstored(now, away_since is not None)
        if waits is None and away_since is None:
            self._say_over(now)
            return
        frame = replace(waits or Unstored(now), server_now=now, away_since=away_since)
        if self._is_news(frame):
            self._say(frame)
        self._over_to_say = OVER_SAID_TIMES

    def _is_news(self, frame: Unstored) -> bool:
        said_for_s = self._clock.elapsed() - self._said_s
        if self._said is None or said_for_s >= max(SAID_AGAIN_EVERY_S, self._pause_s):
            return True
        if said_for_s < self._pause_s - LOOK_EVERY_S:
            return False
        return frame != replace(self._said, server_now=frame.server_now)

    def _say_over(self, now: datetime) -> None:
        if not self._over_to_say:
            return
        is_over_said = self._said is not None and not self._said.lines and self._said.away_since is None
        if is_over_said and self._clock.elapsed() - self._said_s < SAID_AGAIN_EVERY_S:
            return
        self._over_to_say -= 1
        self._say(Unstored(now))

    def _say(self, frame: Unstored) -> None:
        self._said, self._said_s, self._pause_s = frame, self._clock.elapsed(), 0.0

        def made(is_masked: bool) -> Frame:
            wire = Frame(_encode(masked(frame) if is_masked else frame))
            self._pause_s = max(self._pause_s, len(wire.text) * len(self._feed) / BYTES_PER_S)
            return wire

        self._feed.say(made)


def masked(frame: Unstored) -> Unstored:
    """The same for somebody who judges the work and need not know the people."""
    return replace(frame, lines=tuple(map(_mask, frame.lines)))


def _mask(card: UnstoredCard) -> UnstoredCard:
    people = tuple(PhoneCard(mask_name(each.name), None) for each in card.people)
    return replace(card, address=mask_address(card.address), phone=None, people=people, contacts=())
