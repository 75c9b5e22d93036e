"""What the board is given by the one who builds it, and the parts it makes of that for its handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from dispatch.board.feed import Feed
from dispatch.board.outage import Outage
from dispatch.board.outage_messages import CanaryCard, Unstored
from dispatch.board.phones import Phones
from dispatch.board.positions import OnPlace, Positions
from dispatch.board.ranked import Ranking
from dispatch.board.sessions import Sessions
from dispatch.clock import Clock
from dispatch.engine import Engine
from dispatch.incident.events import Pick
from dispatch.model import IncidentId, WorkerId
from dispatch.store.database import Database


class OnDuty(Protocol):
    """Hears that a worker came on or went off duty."""

    def __call__(self, worker_id: WorkerId, *, is_on_duty: bool) -> None:
        """It has been written already."""


@dataclass(frozen=True)
class Watched:
    """What watches the centre says of it: kinds of trouble, and the canary if there is one."""

    troubles: tuple[str, ...] = ()
    canary: CanaryCard | None = None


@dataclass(frozen=True, kw_only=True)
class BoardDeps:
    """Everything the board needs from outside.

    `candidates` ranks for a call as of now; `pick_by_hand` makes the offer for a worker an operator chose. `on_duty`
    and `on_place` hear what workers say of themselves. `unstored(now, is_away)` is
    what waits to be stored, None if nothing does; `watched` what is known of the
    centre itself. `static` is the folder of the built pages. `is_https` says that
    phones and boards come by https, so that cookies are sent no other way.
    """

    database: Database
    clock: Clock
    engine: Engine
    candidates: Callable[[IncidentId], Awaitable[Ranking]]
    pick_by_hand: Callable[[IncidentId, WorkerId], Awaitable[Pick]]
    on_duty: OnDuty
    on_place: OnPlace
    is_leading: Callable[[], bool]
    centre_id: str
    time_zone: str
    static: Path
    unstored: Callable[[datetime, bool], Unstored | None] = lambda _now, _is_away: None
    watched: Callable[[], Watched] = Watched
    is_https: bool = False


@dataclass(frozen=True)
class Board:
    """What every handler works with."""

    deps: BoardDeps
    sessions: Sessions
    phones: Phones
    feed: Feed
    positions: Positions
    outage: Outage

    async def show(self, worker_id: WorkerId) -> bool:
        """Have a worker's open pages brought up to date; returns whether there is one."""
        self.feed.ring()
        return self.phones.is_open(worker_id)
