"""Under which alarm a terminal hears of its call."""

from __future__ import annotations

from tests.rules.scenario import Scenario, default_policies


def played(*lines: str) -> Scenario:
    scenario = Scenario(default_policies())
    for line in lines:
        scenario.play(line)
    assert scenario.incident is not None
    return scenario


def alarm_ids(scenario: Scenario) -> list[str]:
    assert scenario.incident is not None
    return [caller.alarm_id for caller in scenario.incident.callers]


def test_a_second_press_is_heard_of_under_its_own_id() -> None:
    first, second = alarm_ids(played("family")), alarm_ids(played("family", "sos"))
    assert len(first) == len(second) == 1
    assert first != second


def test_a_reading_does_not_take_the_place_of_a_press() -> None:
    assert alarm_ids(played("sos", "vitals")) == alarm_ids(played("sos"))
    assert len(alarm_ids(played("vitals"))) == 1
