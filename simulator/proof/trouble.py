"""What goes wrong, and how often. Chances are per opportunity: a statement, a message, a step at which a process may
be killed. They hold in a storm; outside one everything works, so that what was broken can be seen to heal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

DATABASE = {
    "database_refuses": 0.03,
    "database_link_breaks": 0.004,
    "database_says_no": 0.004,
    "database_slow": 0.004,
    "database_times_out": 0.001,
    "answer_lost": 0.02,
}
"""Chances per statement or connection in a storm."""

ROAD = {"lost": 0.06, "doubled": 0.05, "late": 0.03, "reordered": 0.05}
"""Chances per message, always: radio links know no calm."""


class Trouble:
    """The trouble of one process' ways. `is_stormy` says whether anything may strike now."""

    def __init__(self, draw: Random) -> None:
        self._draw = draw
        self.is_stormy = False
        self.is_database_away = False

    def strikes(self, fault: str) -> bool:
        """Whether a fault strikes now."""
        return self.is_stormy and self._draw.random() < DATABASE[fault]
