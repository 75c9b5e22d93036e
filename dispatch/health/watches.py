"""What is known of everybody's limits, held in memory, and the alarms that come of it. No I/O, no clock.

**After a restart** (or when another process takes over) nothing is remembered: a suspicion begins anew, so what is not
extreme rings by its second crossing reading from then on, at the latest `for_s` after the start if readings come that
often; what rang before and still crosses its limit rings once more, and joins its home's open call or opens a new one.
What is extreme rings at once in any case. That errs on the side of calling, and needs no write for each reading.
"""

from __future__ import annotations

from collections.abc import KeysView
from datetime import datetime, timedelta

from msgspec.structs import replace

from dispatch.health.sustained import GAP_S_MAX, QUIET, Ring, State, Waiting, step, waits
from dispatch.health.thresholds import DEFAULTS, Thresholds, as_alarm, crossed
from dispatch.model import Alarm, Cause, TerminalId, Vitals


class Watches:
    """Each terminal's state by itself. Only those that crossed a limit of late are held: most never do."""

    def __init__(self) -> None:
        self._states: dict[TerminalId, State] = {}

    def __len__(self) -> int:
        """How many terminals are being watched."""
        return len(self._states)

    def judge(self, reading: Vitals, limits: Thresholds = DEFAULTS) -> Alarm | None:
        """The alarm that a reading raises, if any; the same again for a reading told again."""
        state = self._states.get(reading.terminal_id)
        if state is None and not crossed(reading, limits):
            return None
        after, rings = step(state or QUIET, reading, limits)
        if after:
            self._states[reading.terminal_id] = after
        else:
            self._states.pop(reading.terminal_id, None)
        if not rings:
            return None
        return as_alarm(reading, tuple(ring.code for ring in rings), tuple(_cause(reading, ring) for ring in rings))

    def waiting(self, now: datetime) -> list[Waiting]:
        """Suspicions that no reading has confirmed or cleared for too long."""
        return [
            Waiting(terminal_id, watch.begun_by, _cause(watch.begun_by, Ring(code, watch.since_at)))
            for terminal_id, state in self._states.items()
            for code, watch in state.items()
            if waits(watch, now) and watch.begun_by is not None
        ]

    def note_asked(self, key: str, code: str) -> None:
        """Somebody was asked to measure again."""
        terminal_id = TerminalId(key)
        state = self._states.get(terminal_id, QUIET)
        if code in state:
            self._states[terminal_id] = {**state, code: replace(state[code], is_asked=True)}

    def held(self) -> KeysView[TerminalId]:
        """The terminals of which something crossed a limit of late, now and later."""
        return self._states.keys()

    def forget(self, now: datetime) -> None:
        """Let go of terminals not heard for so long that their next crossing is a new matter anyway."""
        oldest = now - timedelta(seconds=GAP_S_MAX)
        gone = [
            terminal_id
            for terminal_id, state in self._states.items()
            if all(watch.received_at < oldest for watch in state.values())
        ]
        for terminal_id in gone:
            del self._states[terminal_id]


def _cause(reading: Vitals, ring: Ring) -> Cause:
    name = ring.code.rpartition("_")[0]
    return Cause(ring.code, ring.since_at, reading.happened_at or reading.received_at, {name: getattr(reading, name)})
