"""Every scenario file, played against the rules the product ships with."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scenario import Scenario, default_policies

SCENARIOS = sorted(Path(__file__).parent.joinpath("scenarios").glob("*.txt"))
POLICIES = default_policies()


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    Scenario(POLICIES).play(path.read_text(encoding="utf-8"))


def test_a_scenario_that_does_not_hold_names_its_line() -> None:
    with pytest.raises(AssertionError, match="line 2: expect state closed: state is waiting, not closed"):
        Scenario(POLICIES).play("sos\nexpect state closed")
