"""Going round: once an hour every home is asked whether it is silent for too long, and once a day what drifts there.

Neither is an alarm of a terminal, so nothing waits for it: homes are looked at some hundred at a time, spread over the
hour. What is found becomes a call of its own kind (`no_activity`, `trend`), unless the home is looked after already: a
call for help is open there, or one of that kind was closed of late.

Silence is judged by when a home was heard, to the half hour (`home_day`), and looked up exactly before anybody is
called. Trends are judged by days, so once a day is enough: in an hour of the day that follows from the home's id.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dispatch import logs
from dispatch.clock import Clock
from dispatch.engine import RaiseByService
from dispatch.errors import DispatchError, Unreachable
from dispatch.health import silence as quiet
from dispatch.health.baseline import BASELINE_DAYS, PRESENT_DAYS, Day, trend
from dispatch.health.silence import ALLOWED_S_MIN, USUAL_DAYS, Silence, Span
from dispatch.incident.states import Subject, SubjectKind
from dispatch.model import HomeId, Key
from dispatch.store import hours, rounds, vitals
from dispatch.store.database import Connection, Database
from dispatch.store.rounds import Heard

LOOK_AGAIN_S = 10.0
SUMMED_BEHIND = timedelta(hours=2)
"""What was heard longer ago must have been summed up before anybody goes round; after an outage that takes a while."""

ROUND_S = 3600.0
HOMES_AT_ONCE = 200
PAUSE_S_MAX = 5.0
RETRY_AFTER_S = 5.0

HANDLED = {Key.NO_ACTIVITY: timedelta(days=1), Key.TREND: timedelta(days=7)}
"""So long after such a call was closed a home is not called about the same again: drifts take weeks to be ordinary."""

DAYS_HEARD = USUAL_DAYS + 2
DAYS_MEASURED = timedelta(days=BASELINE_DAYS + PRESENT_DAYS + 1)

Submit = Callable[[RaiseByService], Awaitable[object]]
log = logs.get("rounds")


class Rounds:
    """Goes round under the lease. `submit` hands what is found to the engine."""

    def __init__(self, database: Database, clock: Clock, submit: Submit, time_zone: str) -> None:
        self._database = database
        self._clock = clock
        self._submit = submit
        self._zone = ZoneInfo(time_zone)

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await self._until_summed()
            began_s = self._clock.elapsed()
            try:
                await self.round()
            except Unreachable as error:
                log.warning("rounds_wait", **error.params)
                await self._clock.sleep(RETRY_AFTER_S)
            else:
                await self._clock.sleep(max(LOOK_AGAIN_S, began_s + ROUND_S - self._clock.elapsed()))

    async def _until_summed(self) -> None:
        while True:
            await self._clock.sleep(LOOK_AGAIN_S)
            try:
                async with self._database.connection() as connection:
                    if await rounds.is_summed(connection, self._clock.now() - SUMMED_BEHIND):
                        return
            except Unreachable as error:
                log.warning("rounds_wait", **error.params)

    async def round(self) -> None:
        """Look at every home once, spread over most of an hour. Raises Unreachable."""
        async with self._database.connection() as connection:
            slices = -(-await rounds.count_homes(connection) // HOMES_AT_ONCE)
            listening = await rounds.listened(connection, self._clock.now() - timedelta(days=DAYS_HEARD))
        pause_s = min(PAUSE_S_MAX, 0.9 * ROUND_S / max(slices, 1))
        last = ""
        while True:
            async with self._database.connection() as connection:
                homes = await rounds.next_homes(connection, last, HOMES_AT_ONCE)
                found, asked = await self._look(connection, homes, listening)
            for each in found:
                await self._call(each)
            await self._note_asked(asked)
            if len(homes) < HOMES_AT_ONCE:
                return
            last = homes[-1]
            await self._clock.sleep(pause_s)

    async def _call(self, found: RaiseByService) -> None:
        try:
            await self._submit(found)
        except Unreachable:
            raise
        except DispatchError as error:
            log.warning("not_called", home_id=found.subject.id, kind=found.kind.value, reason=error.code)

    async def _look(
        self, connection: Connection, homes: Sequence[HomeId], listening: Sequence[Span]
    ) -> tuple[list[RaiseByService], list[HomeId]]:
        """What is to be called about, and the homes whose trends were looked at."""
        now = self._clock.now()
        days = [now.date() - timedelta(days=n) for n in range(DAYS_HEARD)]
        heard = await rounds.days_heard(connection, days, homes)
        silent = await self._silent(connection, heard, listening, now)
        due = [home_id for home_id, each in heard.items() if _is_due(home_id, each, now)]
        drifting = await self._drifting(connection, due, now)
        found = [
            *await self._unless_looked_after(connection, Key.NO_ACTIVITY, silent, now),
            *await self._unless_looked_after(connection, Key.TREND, drifting, now),
        ]
        return found, due

    async def _note_asked(self, homes: Sequence[HomeId]) -> None:
        """Only once whatever drifts there is a call."""
        if homes:
            async with self._database.connection() as connection:
                await rounds.mark_asked(connection, self._clock.now().date(), homes)

    async def _unless_looked_after(
        self, connection: Connection, kind: Key, found: dict[HomeId, dict[str, Any]], now: datetime
    ) -> list[RaiseByService]:
        if not found:
            return []
        after = await rounds.looked_after(connection, list(found), kind.value, now - HANDLED[kind])
        return [
            RaiseByService(kind, Subject(SubjectKind.HOME, home_id), facts)
            for home_id, facts in found.items()
            if home_id not in after
        ]

    # --- silence --------------------------------------------------------------------------------------------------

    async def _silent(
        self, connection: Connection, heard: dict[HomeId, Heard], listening: Sequence[Span], now: datetime
    ) -> dict[HomeId, dict[str, Any]]:
        found: dict[HomeId, dict[str, Any]] = {}
        for home_id, each in heard.items():
            if self._silence(each, each.last_at, listening, now) is None:
                continue
            last_at = await rounds.last_sign(connection, home_id, each.last_at) or each.last_at
            silence = self._silence(each, last_at, listening, now)
            if silence is not None:
                lasted = {"silent_s": round(silence.silent_s), "allowed_s": round(silence.allowed_s)}
                found[home_id] = {"flaws": [quiet.CODE], "last_heard_at": last_at.isoformat()} | lasted
        return found

    def _silence(self, heard: Heard, last_at: datetime, listening: Sequence[Span], now: datetime) -> Silence | None:
        """The present silence if it is too long; None if it is not, or nobody knows what is too long for this home."""
        if (now - last_at).total_seconds() <= ALLOWED_S_MIN:
            return None
        days = quiet.longest_by_day(heard.signs, listening, self._zone)
        allowed = quiet.allowed_s(days, now.astimezone(self._zone).date())
        silence = quiet.silence(last_at, listening, allowed, now)
        return silence if silence is not None and silence.code is not None else None

    # --- trends ---------------------------------------------------------------------------------------------------

    async def _drifting(
        self, connection: Connection, due: Sequence[HomeId], now: datetime
    ) -> dict[HomeId, dict[str, Any]]:
        if not due:
            return {}
        elders = await rounds.elders_of_homes(connection, due)
        everybody = [elder_id for several in elders.values() for elder_id in several]
        terminals = await vitals.terminals_of_elders(connection, everybody)
        measuring = [each for several in terminals.values() for each in several]
        days = await hours.days_of_terminals(connection, measuring, now - DAYS_MEASURED, now, self._zone.key)
        found = {}
        for home_id in due:
            mine = [each for elder_id in elders.get(home_id, ()) for each in terminals.get(elder_id, ())]
            if codes := self._codes([days[each] for each in mine if each in days], now):
                found[home_id] = {"flaws": codes}
        return found

    def _codes(self, measured: Collection[dict[str, list[Day]]], now: datetime) -> list[str]:
        today = now.astimezone(self._zone).date()
        trends = [trend(days, name, today) for each in measured for name, days in each.items()]
        return [each.code for each in trends if each is not None and each.code is not None]


def _is_due(home_id: HomeId, heard: Heard, now: datetime) -> bool:
    """Whether a home was heard today, its hour of the day has come, and its trends were not looked at yet."""
    today: date = now.date()
    hour = zlib.crc32(home_id.encode()) % 24
    return today in heard.days and today not in heard.asked_on and hour <= now.hour
