"""Real faults on real parts, the short ones; `./run prove --faults` has all of them, in full size."""

from __future__ import annotations

import pytest

from dispatch.clock import SystemClock
from simulator.faults.fault import Fault, Size, happen
from simulator.faults.ground import Database
from simulator.faults.proof import sizes


@pytest.mark.parametrize(("fault", "size"), [pytest.param(*each, id=each[0].name) for each in sizes(is_quick=True)])
async def test_no_press_is_lost_or_doubled(fault: Fault, size: Size, database: Database) -> None:
    outcome = await happen(fault, size, database, SystemClock())
    assert outcome.wrong == []
    assert outcome.pressed > 0
    assert (outcome.lost, outcome.duplicated, outcome.unheard) == (0, 0, 0)
