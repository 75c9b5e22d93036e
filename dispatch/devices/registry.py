"""Which terminals are ours, and what is critical for the elder each of them measures."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet

from msgspec.structs import replace

from dispatch import logs
from dispatch.clock import Clock
from dispatch.errors import BadInput, Unreachable
from dispatch.health.judging import ORDINARY, Judging, Particular
from dispatch.health.news2 import Scale
from dispatch.health.thresholds import with_own
from dispatch.model import Alarm, ElderId, TerminalId, Vitals
from dispatch.store import people
from dispatch.store.database import Database

READ_EVERY_S = 60.0
ASKED_AT_ONCE = 500
RaiseAlarms = Callable[[Sequence[Alarm]], Awaitable[object]]
log = logs.get("registry")


class Registry:
    """What is particular to an elder is held in memory, for it is so of few, and is read anew each minute; whether a
    terminal is ours is asked.

    Whom a terminal measures is asked of those that scored: a cuff and a clip of one elder score together.
    What is crossed and for how long is held in memory alone (see `dispatch.health.watches` for a restart).
    """

    def __init__(self, database: Database, clock: Clock, raise_alarms: RaiseAlarms) -> None:
        self._database = database
        self._raise_alarms = raise_alarms
        self._clock = clock
        self._particular: dict[TerminalId, Particular] = {}
        self._wearers: dict[str, ElderId | None] = {}
        self._judging = Judging()

    async def registered(self, terminal_ids: AbstractSet[TerminalId]) -> set[TerminalId]:
        """Those of these terminals that hang in a home. Raises Unreachable."""
        if not terminal_ids:
            return set()
        async with self._database.connection() as connection:
            return await people.registered(connection, terminal_ids)

    def judge(self, readings: Sequence[Vitals]) -> list[Alarm]:
        """The alarms that these readings raise: by staying critical, or at once by being extreme.

        Given again with the same readings, for the alarms could not be stored, it gives the same alarms.
        """
        return self._judging.judge_all(readings, self._particular)

    async def read(self) -> None:
        """Read what is particular to elders; for limits that make no sense the defaults hold. Raises Unreachable."""
        unknown = list(self._judging.held() - self._wearers.keys())
        async with self._database.connection() as connection:
            told = await people.particulars(connection)
            for start in range(0, len(unknown), ASKED_AT_ONCE):
                ids = unknown[start : start + ASKED_AT_ONCE]
                self._wearers |= dict.fromkeys(ids) | await people.wearers(connection, ids)
        particular = {each.terminal_id: _particular(each) for each in told}
        for key, elder_id in self._wearers.items():
            if elder_id is not None:
                terminal_id = TerminalId(key)  # an elder's own key stands for no other elder
                known = particular.get(terminal_id, ORDINARY)
                particular[terminal_id] = replace(known, elder_id=elder_id)
        self._particular = particular

    def _forget_wearers(self) -> None:
        """A terminal that is the only one of its elder is asked about anew when it scores again."""
        held = self._judging.held()
        self._wearers = {key: elder for key, elder in self._wearers.items() if elder is not None or key in held}

    async def _go_round(self) -> None:
        """Call about what was measured once, was critical, and was neither confirmed nor cleared."""
        for calls in self._judging.go_round(self._clock.now()):
            if calls:
                await self._raise_alarms(calls)
            await self._clock.sleep(0)

    async def run(self) -> None:
        """Read what is particular to elders now and then until cancelled."""
        while True:
            try:
                await self.read()
            except Unreachable as error:
                log.warning("registry_waits", **error.params)
            await self._go_round()
            self._forget_wearers()
            await self._clock.sleep(READ_EVERY_S)


def _particular(told: people.Told) -> Particular:
    try:
        limits = with_own(told.thresholds)
    except BadInput as error:
        log.warning("bad_thresholds", terminal_id=told.terminal_id, **error.params)
        limits = with_own(None)
    return Particular(limits, Scale(told.spo2_scale), told.on_oxygen)
