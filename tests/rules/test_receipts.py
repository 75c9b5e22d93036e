"""Receipts of one incident carry rising numbers: a terminal ignores lower ones."""

from __future__ import annotations

from dispatch.incident.effects import SendReceipt

from .scenario import Scenario, default_policies


def numbers(scenario: Scenario) -> list[tuple[str, int]]:
    return [(each.stage.value, each.n) for each in scenario.effects if isinstance(each, SendReceipt)]


def test_what_is_said_again_of_a_closed_call_comes_after_its_last_receipt_and_rises() -> None:
    scenario = Scenario(default_policies())
    scenario.play("sos\nclose assisted")
    assert numbers(scenario) == [("closed", 2)]
    closed = scenario.incident
    scenario.play("again")
    assert numbers(scenario) == [("stored", 3), ("closed", 4)]
    assert scenario.incident == closed
