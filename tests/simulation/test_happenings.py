"""What happens in a town follows from its seed, in order."""

from __future__ import annotations

import itertools
from datetime import timedelta

from dispatch.devices import kinds
from dispatch.health.judging import Judging
from dispatch.model import Alarm, TerminalId, Unreadable, Vitals
from simulator.happenings import Broken, Cancel, Happening, Press, Reading, Repeat, Weather, happenings, measured
from simulator.town import chances
from simulator.trouble import BROKEN_ALARMS, ODD_BUT_GOOD
from tests.simulation.test_terminal import START

TERMINALS = [TerminalId(f"t{number}") for number in range(40)]
STORMY = Weather(presses_per_min=60, tests_per_min=5, nonsense_per_min=5, cancelled=0.2, cancelled_first=0.1)


def first(seed: int, number: int = 3000) -> list[Happening]:
    return list(itertools.islice(happenings(TERMINALS, seed, STORMY), number))


def test_the_same_seed_brings_the_same_in_order_of_time() -> None:
    assert first(7) == first(7)
    assert first(7) != first(8)
    assert [each.at_s for each in first(7)] == sorted(each.at_s for each in first(7))
    assert len({each.number for each in first(7)}) == 3000


def test_everything_happens_about_as_often_as_was_asked() -> None:
    some = first(7)
    minutes = some[-1].at_s / 60
    presses = [each for each in some if isinstance(each, Press) and not each.is_test]
    assert 50 < len(presses) / minutes < 80, "60, and some doubled"
    assert {type(each) for each in some} == {Press, Cancel, Repeat, Reading, Broken}


def test_cancels_and_repeats_speak_of_presses_of_the_same_terminal() -> None:
    some = first(7)
    pressed = {each.number: each for each in some if isinstance(each, Press)}
    later = [each for each in some if isinstance(each, Repeat)]
    cancels = [each for each in some if isinstance(each, Cancel) and each.of in pressed]
    assert all(pressed[each.of].terminal_id == each.terminal_id for each in later)
    assert all(pressed[each.of].terminal_id == each.terminal_id for each in cancels)
    assert any(each.at_s < pressed[each.of].at_s for each in cancels), "some cancels overtake their press"


def test_a_calm_town_is_silent() -> None:
    calm = Weather(presses_per_min=0, tests_per_min=0, readings_per_min=0, nonsense_per_min=0)
    assert list(happenings(TERMINALS, 7, calm)) == []


def test_nonsense_is_unreadable_and_what_is_odd_is_still_a_press() -> None:
    for nonsense in BROKEN_ALARMS:
        heard = kinds.decode("onekey/1/c/t1/alarm", nonsense.payload, START)
        assert [type(each) for each in heard] == [Unreadable], nonsense.name
    for odd in ODD_BUT_GOOD:
        (alarm,) = kinds.decode("onekey/1/c/t1/alarm", odd.payload.replace(b"%s", b"odd"), START)
        assert isinstance(alarm, Alarm), odd.name


def test_streams_of_chance_are_apart() -> None:
    assert chances(7, "a").random() == chances(7, "a").random() != chances(7, "b").random()


def test_only_the_frail_decline_and_their_readings_end_in_a_call() -> None:
    frail = TERMINALS[:1]
    ill = Weather(0, 0, 0, 0, declines_per_min=0.02)
    assert list(happenings(TERMINALS, 7, ill)) == []
    told = list(itertools.islice(happenings(TERMINALS, 7, ill, frail), 200))
    assert {each.terminal_id for each in told} == set(frail)
    judging, rang = Judging(), []
    for each in told:
        assert isinstance(each, Reading)
        reading = Vitals(each.terminal_id, START + timedelta(seconds=each.at_s), **measured(each))  # type: ignore[arg-type]
        rang += [alarm.flaws for alarm in [judging.judge(reading)] if alarm is not None]
    assert rang[:3] == [("news2_urgent",), ("news2_emergency",), ("spo2_percent_low",)]
