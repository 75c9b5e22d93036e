"""What watches the centre itself, put together: the watcher and its incidents, and what stands in memory for when the
database is away.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from dispatch.app.parts import Parts
from dispatch.board.deps import Watched
from dispatch.board.outage_messages import CanaryCard, PhoneCard, Unstored, UnstoredCard
from dispatch.model import HomeId, IncidentId
from dispatch.store import audit
from dispatch.watch import Bird, Canary, HomesInMemory, HomeTold, Limits, Line, Rooms, Sight, Troubles, Watcher
from dispatch.watch import Unstored as Ledger


class Watching:
    """Lives as long as the process. `rooms` runs always, `watcher` and `homes` while this process leads.

    `boards` counts the open boards of this process.
    """

    def __init__(self, parts: Parts, boards: Callable[[], int], shown_s: Callable[[IncidentId], float | None]) -> None:
        settings, database = parts.settings, parts.databases.watch
        self._database = database
        self.rooms = Rooms(database, parts.clock, settings.instance, boards)
        self.homes = HomesInMemory(parts.databases.house, parts.clock)
        self.unstored = Ledger(parts.policies, self.homes.find)
        self.canary = _canary(parts, Sight(boards, shown_s, self._home_of, parts.metrics.canary_heard))
        self.watcher = Watcher(
            database,
            parts.clock,
            Troubles(parts.engine, parts.clock, settings.centre_id),
            self.rooms,
            Limits(settings.watch.no_board_after_s, settings.watch.nobody_answers_after_s),
            *((self.canary.fails, self.canary.sings) if self.canary else ()),
        )

    def begin(self) -> None:
        """This process leads from now on."""
        self.watcher.begin()
        self.unstored.forget()

    async def _home_of(self, incident_id: IncidentId) -> HomeId | None:
        async with self._database.connection() as connection:
            return await audit.home_of_incident(connection, incident_id)

    def watched(self) -> Watched:
        """What the header of a board says of the centre."""
        return Watched(self.watcher.troubles, _canary_card(self.canary) if self.canary else None)

    def canary_age_s(self, now: datetime) -> float | None:
        """Seconds since the canary was last heard; None if it never was, or if there is none."""
        heard_at = self.canary.heard_at if self.canary else None
        return None if heard_at is None else max(0.0, (now - heard_at).total_seconds())

    def waiting(self, now: datetime, *, is_away: bool, used: int, window: int) -> Unstored | None:
        """What waits to be stored, as boards show it; None if nothing does."""
        waiting = self.unstored.look(now, is_away=is_away)
        if not waiting.terminals:
            return None
        lines = tuple(map(_card, waiting.lines))
        return Unstored(now, None, lines, waiting.terminals, waiting.presses, used, window)


def _canary(parts: Parts, sight: Sight) -> Canary | None:
    settings = parts.settings
    watch = settings.watch
    if watch.canary_terminal is None:
        return None
    bird = Bird(watch.canary_terminal, watch.canary_every_s, watch.canary_missed_max)
    return Canary(parts.broker, settings.centre_id, bird, parts.clock, sight)


def _canary_card(canary: Canary) -> CanaryCard:
    return CanaryCard(canary.home_id, canary.heard_at, _ms(canary.took_stored_s), _ms(canary.took_shown_s))


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _card(line: Line) -> UnstoredCard:
    home = line.home or HomeTold(None, "", None, (), ())
    return UnstoredCard(
        terminal_id=line.terminal_id,
        kind=line.key.value,
        band=int(line.band),
        presses=line.presses,
        since_at=line.since_at,
        last_at=line.last_at,
        home_id=home.home_id,
        address=home.address,
        phone=home.phone,
        people=tuple(PhoneCard(each.name, each.phone) for each in home.people),
        contacts=tuple(PhoneCard(each.name, each.phone, each.relation) for each in home.contacts),
    )
