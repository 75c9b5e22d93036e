"""What is held of everybody in memory: little, and after a restart nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dispatch.health.thresholds import with_own
from dispatch.health.watches import Watches
from dispatch.model import TerminalId, Vitals

AT = datetime(2026, 3, 1, 8, tzinfo=UTC)


def spo2(minute: float, value: float, terminal: str = "t1") -> Vitals:
    return Vitals(TerminalId(terminal), AT + timedelta(minutes=minute), spo2_percent=value)


def test_terminals_are_watched_each_by_itself() -> None:
    watches = Watches()
    assert watches.judge(spo2(0, 90)) is None
    assert watches.judge(spo2(1, 90, "t2")) is None
    alarm = watches.judge(spo2(2, 90))
    assert alarm is not None
    assert (alarm.terminal_id, alarm.flaws) == ("t1", ("spo2_percent_low",))


def test_only_who_crossed_a_limit_is_held() -> None:
    watches = Watches()
    for terminal in range(100):
        watches.judge(spo2(0, 97, f"t{terminal}"))
    assert len(watches) == 0
    watches.judge(spo2(1, 90))
    assert len(watches) == 1
    for minute in (2, 3):
        watches.judge(spo2(minute, 97))
    assert len(watches) == 0


def test_who_is_not_heard_for_long_is_let_go() -> None:
    watches = Watches()
    watches.judge(spo2(0, 83))
    watches.forget(AT + timedelta(hours=26))
    assert len(watches) == 1
    watches.forget(AT + timedelta(hours=26, seconds=1))
    assert len(watches) == 0


def test_forty_readings_about_a_limit_are_one_alarm() -> None:
    watches = Watches()
    told = [watches.judge(spo2(minute, 90 + minute % 3)) for minute in range(40)]
    assert [minute for minute, alarm in enumerate(told) if alarm is not None] == [1]


def test_after_a_restart_what_lasts_rings_by_its_second_reading_and_what_is_extreme_at_once() -> None:
    before = Watches()
    assert [before.judge(spo2(minute, 90)) is not None for minute in range(3)] == [False, True, False]
    after = Watches()
    assert [after.judge(spo2(minute, 90)) is not None for minute in range(3, 6)] == [False, True, False]
    assert Watches().judge(spo2(3, 80)) is not None


def test_an_alarm_told_again_is_the_same_alarm() -> None:
    watches = Watches()
    readings = [spo2(0, 90), spo2(1, 90), spo2(2, 80)]
    first = [watches.judge(each) for each in readings]
    assert [watches.judge(each) for each in readings] == first
    assert len([alarm for alarm in first if alarm is not None]) == 2


def test_own_limits_hold() -> None:
    own = with_own('{"spo2_percent": {"low": 84}}')
    assert [Watches().judge(spo2(0, value), own) is not None for value in (88, 83)] == [False, True]
