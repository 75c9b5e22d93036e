"""What is asked of every reading: does it cross a limit, do they score together? No I/O, no clock.

Nearly every reading is ordinary and of somebody of whom nothing particular is known or held. That is found out first,
and costs a fraction of a microsecond; everything else is for the few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, KeysView, Mapping
from datetime import datetime
from math import inf

import msgspec
from msgspec.structs import replace

from dispatch.health.news2 import Scale, is_ordinary
from dispatch.health.scores import CODES, MILD_BELOW, Scores
from dispatch.health.sustained import Waiting
from dispatch.health.thresholds import DEFAULTS, Thresholds, as_alarm
from dispatch.health.watches import Watches
from dispatch.model import Alarm, Cause, ElderId, Key, TerminalId, Vitals

DIASTOLIC_HIGH = DEFAULTS["diastolic_mmhg"].high or inf
"""NEWS2 knows no diastolic pressure, so `is_ordinary` does not ask for it."""


LOOKED_AT_AT_ONCE = 500
"""Looked at in one go, a few ms: nothing else runs meanwhile."""


class Particular(msgspec.Struct, frozen=True):
    """What is particular to the elder whom a terminal measures. `elder_id` if several terminals measure one elder."""

    limits: Thresholds = msgspec.field(default_factory=lambda: DEFAULTS)
    scale: Scale = Scale.ONE
    on_oxygen: bool | None = None
    elder_id: ElderId | None = None


ORDINARY = Particular()


class Judging:
    """Limits are watched for each terminal, scores for each elder. Nothing outlives a restart, see `watches`."""

    def __init__(self) -> None:
        self._watches = Watches()
        self._scores = Scores()
        self._watched, self._scored = self._watches.held(), self._scores.held()
        self._mild = self._scores.mild()

    def judge_all(self, readings: Iterable[Vitals], particulars: Mapping[TerminalId, Particular]) -> list[Alarm]:
        """The alarms that readings raise, in their order; `particulars` of those terminals that have any."""
        watched, scored, mild, note_mild = self._watched, self._scored, self._mild, self._scores.note_mild
        alarms = []
        for reading in readings:
            terminal_id, diastolic = reading.terminal_id, reading.diastolic_mmhg
            if (
                is_ordinary(reading)
                and (diastolic is None or diastolic < DIASTOLIC_HIGH)
                and terminal_id not in particulars
                and terminal_id not in scored
                and terminal_id not in watched
            ):
                saturation = reading.spo2_percent
                if (saturation is not None and saturation < MILD_BELOW) or terminal_id in mild:
                    note_mild(reading)
                continue
            alarm = self.judge(reading, particulars.get(terminal_id, ORDINARY))
            if alarm is not None:
                alarms.append(alarm)
        return alarms

    def judge(self, reading: Vitals, particular: Particular = ORDINARY) -> Alarm | None:
        """The alarm that a reading raises, if any; the same again for a reading told again.

        A limit, or a score of an emergency's, is of kind `vitals`; a score that is urgent of `vitals_urgent`.
        """
        alarm = self._watches.judge(reading, particular.limits)
        key = particular.elder_id or reading.terminal_id
        causes = self._scores.judge(key, reading, particular.scale, particular.on_oxygen)
        return _joined(reading, alarm, causes) if causes else alarm

    def held(self) -> KeysView[str]:
        """The terminals (and elders, where a terminal is one of several) that scored of late, now and later."""
        return self._scored

    def go_round(self, now: datetime) -> Iterator[list[Alarm]]:
        """Some of those of whom something is held at a time, so that something else may run between.

        Gives the calls to have measured again what no reading has confirmed or cleared for too long, which go on being
        given until they were taken: whoever asks for the next has taken those before. What is too old to matter is let
        go of.
        """
        keys = list(self._scored)
        waiting = self._watches.waiting(now)
        for start in range(0, len(keys) + 1, LOOKED_AT_AT_ONCE):
            some = keys[start : start + LOOKED_AT_AT_ONCE]
            waiting += self._scores.waiting(now, some)
            yield _measure_again(waiting, now)
            for each in waiting:
                watched = self._scores if each.cause.code in CODES else self._watches
                watched.note_asked(each.key, each.cause.code)
            waiting = []
            self._scores.forget(now, some)
        self._watches.forget(now)


def _measure_again(waiting: Iterable[Waiting], now: datetime) -> list[Alarm]:
    """One call for each reading that began suspicions; nobody waits since then, so its clocks begin now."""
    by_reading: dict[Vitals, list[Cause]] = {}
    for each in waiting:
        by_reading.setdefault(each.begun_by, []).append(each.cause)
    alarms = []
    for reading, causes in by_reading.items():
        codes = (*(cause.code for cause in causes), "not_measured_again")
        alarm = as_alarm(reading, codes, tuple(causes), Key.MEASURE_AGAIN)
        alarms.append(replace(alarm, received_at=now, happened_at=reading.happened_at or reading.received_at))
    return alarms


def _joined(reading: Vitals, alarm: Alarm | None, causes: tuple[Cause, ...]) -> Alarm:
    """One reading is one alarm, whatever rings by it."""
    codes = tuple(each.code for each in causes)
    if alarm is not None:
        whole = as_alarm(reading, (*alarm.flaws, *codes))
        return replace(whole, causes=(*alarm.causes, *causes))
    key = Key.VITALS if "news2_emergency" in codes else Key.VITALS_URGENT
    return as_alarm(reading, codes, causes, key)
