"""The watcher's loop, under the lease: looks each second, keeps what is wrong, and has it stand as incidents."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import Any

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import Unreachable
from dispatch.model import Key
from dispatch.store import audit
from dispatch.store.database import Connection, Database
from dispatch.watch.auditor import Auditor, Verdict
from dispatch.watch.rooms import Rooms
from dispatch.watch.troubles import Troubles

LOOK_EVERY_S = 1.0
THOROUGH_EVERY_S = 5.0
LOOKED_WITHIN_S = 5.0
"""An auditor that has not looked for so long, while the database answers, is no auditor. Counted on our clock and in
real seconds as well: a virtual clock may run ahead of a database that is asked in real time.
"""
RAISED_AFTER_LOOKS = 2
"""An unhappy look may be one moment of a flood; two in a row are not."""
HAPPY_FOR_S = 10.0
"""What has passed for so long has passed: no incident comes and goes with each look."""
log = logs.get("watch")


@dataclass(frozen=True)
class Limits:
    """After how many seconds nobody at a board, and nobody answering, is an incident; 0 never."""

    no_board_after_s: float = 60.0
    nobody_answers_after_s: float = 180.0


class Watcher:
    """`run` watches for one process, as long as it leads; `missing` and `troubles` say what is wrong as of now.

    `canary_fails` gives the facts of a canary that is silent, None while it is not or there is none; `canary_sings`
    says that it was heard since it began. `begin` comes before each `run`.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        troubles: Troubles,
        rooms: Rooms,
        limits: Limits,
        canary_fails: Callable[[], dict[str, Any] | None] = lambda: None,
        canary_sings: Callable[[], bool] = lambda: True,
    ) -> None:
        self._database, self._clock = database, clock
        self._troubles, self._rooms, self._limits = troubles, rooms, limits
        self._canary_fails, self._canary_sings = canary_fails, canary_sings
        self.begin()

    def begin(self) -> None:
        """A term begins: nothing is known yet, and what stands as incidents stays until it is known to have passed."""
        self.verdict = Verdict()
        self.is_away = False
        """The database could not be asked at the last look."""
        self._auditor = Auditor()
        self._unhappy_looks = 0
        self._wrong: dict[Key, dict[str, Any]] = {}
        self._seen_wrong_s: dict[Key, float] = {}
        self._passed: set[Key] = set()
        now_s = self._clock.elapsed()
        self._led_since_s = self._able_since_s = self._looked_s = self._boarded_s = now_s
        self._looked_real_s = -inf
        self._thorough_s: float | None = None

    # --- how it is ----------------------------------------------------------------------------------------------

    @property
    def troubles(self) -> tuple[str, ...]:
        """The kinds of what is wrong now, stored or not."""
        return tuple(sorted(kind.value for kind in self._wrong))

    def missing(self) -> dict[str, str]:
        """For `/readyz`: code to reason of what keeps the auditor or the canary unhappy."""
        missing = {"auditor": self.verdict.say()} if self.verdict.codes else {}
        if not self.is_away and self._has_not_looked():
            missing["auditor"] = "not_looked"
        facts = self._canary_fails()
        if facts is not None:
            missing["canary"] = ", ".join(f"{name} {value}" for name, value in facts.items())
        return missing

    def _has_not_looked(self) -> bool:
        is_late = self._clock.elapsed() - self._looked_s > LOOKED_WITHIN_S
        return is_late and _real_s() - self._looked_real_s > LOOKED_WITHIN_S

    # --- looking ------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
                self.is_away = False
            except Unreachable as error:
                if not self.is_away:
                    log.warning("watcher_waits", code=error.code, **error.params)
                self.is_away = True
            await self._clock.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once, and open or close what follows from it. Raises Unreachable."""
        self._keep(Key.CANARY, self._canary_fails(), is_well=self._canary_sings())
        async with self._database.connection() as connection:
            await self._audit(connection)
            standing = await self._troubles.stand(connection)
        self._looked_s, self._looked_real_s = self._clock.elapsed(), _real_s()
        await self._troubles.settle(standing, self._wrong, self._passed)

    async def _audit(self, connection: Connection) -> None:
        now, now_s = self._clock.now(), self._clock.elapsed()
        if self.is_away:  # it has just returned: nobody could fire anything before
            self._able_since_s = now_s
        is_thorough = self._thorough_s is None or now_s - self._thorough_s >= THOROUGH_EVERY_S
        verdict = await self._auditor.look(connection, now, now_s - self._able_since_s, is_thorough=is_thorough)
        self._unhappy_looks = self._unhappy_looks + 1 if verdict.codes else 0
        if verdict.codes and not self.verdict.codes:
            log.error("auditor_unhappy", codes=verdict.codes, says=verdict.say())
        self.verdict = verdict
        facts = _facts_of(verdict) if self._unhappy_looks >= RAISED_AFTER_LOOKS else None
        self._keep(Key.AUDITOR, facts, is_well=not verdict.codes and now_s - self._able_since_s >= HAPPY_FOR_S)
        if is_thorough:
            self._thorough_s = now_s
            await self._look_at_answers(connection, now, now_s - self._led_since_s)
            await self._look_at_boards(connection, now_s)

    async def _look_at_answers(self, connection: Connection, now: datetime, led_for_s: float) -> None:
        """Grave calls wait, and for as long nobody has answered any call at all."""
        after_s, calls = self._limits.nobody_answers_after_s, self._auditor.calls
        if not after_s or calls.unanswered_since is None:
            self._keep(Key.NOBODY_ANSWERS, None, is_well=True)
            return
        closed = await audit.answered_since(connection, now - timedelta(seconds=after_s))
        answered = [at for at in (calls.answered_at, closed) if at is not None]
        since = max([calls.unanswered_since, *answered])
        waited_s = (now - since).total_seconds()
        facts = {"waited_s": round(waited_s)} if min(waited_s, led_for_s) > after_s else None
        self._keep(Key.NOBODY_ANSWERS, facts, is_well=waited_s <= after_s)

    async def _look_at_boards(self, connection: Connection, now_s: float) -> None:
        after_s = self._limits.no_board_after_s
        is_well = not after_s or await self._rooms.count(connection) > 0
        if is_well:
            self._boarded_s = now_s
        empty_s = now_s - self._boarded_s
        facts = {"empty_s": round(empty_s)} if not is_well and empty_s >= after_s else None
        self._keep(Key.NO_BOARD, facts, is_well=is_well)

    def _keep(self, kind: Key, facts: dict[str, Any] | None, *, is_well: bool) -> None:
        """Something is wrong, with these facts (the first are kept), or well, or not known yet to be either.

        An auditor must stay happy for a while.
        """
        now_s = self._clock.elapsed()
        self._passed.discard(kind)
        if facts is not None:
            self._wrong.setdefault(kind, facts)
            self._seen_wrong_s[kind] = now_s
        elif kind in self._wrong and (kind is not Key.AUDITOR or now_s - self._seen_wrong_s[kind] >= HAPPY_FOR_S):
            del self._wrong[kind]
        if is_well and kind not in self._wrong:
            self._passed.add(kind)


def _real_s() -> float:
    return asyncio.get_running_loop().time()


def _facts_of(verdict: Verdict) -> dict[str, Any]:
    return {"codes": list(verdict.codes), "unfired": verdict.unfired, "astray": verdict.astray}
