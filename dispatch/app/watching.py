"""What watches the centre itself, put together: the watcher and its incidents, and the open boards of all processes."""

from __future__ import annotations

from dispatch.app.parts import Parts
from dispatch.board.feed import Feed
from dispatch.watch import Limits, Rooms, Troubles, Watcher


class Watching:
    """Lives as long as the process. `rooms` runs always; `watcher` while this process leads."""

    def __init__(self, parts: Parts, feed: Feed) -> None:
        settings, database = parts.settings, parts.databases.watch
        self.rooms = Rooms(database, parts.clock, settings.instance, lambda: feed.acting)
        self.watcher = Watcher(
            database,
            parts.clock,
            Troubles(parts.engine, parts.clock, settings.centre_id),
            self.rooms,
            Limits(settings.watch.no_board_after_s, settings.watch.nobody_answers_after_s),
        )
