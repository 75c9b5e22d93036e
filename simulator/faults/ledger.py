"""What terminals sent and when they heard that it is stored; in the end it is held against the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncpg

Sent = tuple[str, str]
"""Terminal and alarm id."""

FOUND = """
    SELECT terminal_id, alarm_id, count(*) AS rows, count(DISTINCT alarm.incident_id) AS incidents
    FROM alarm WHERE cancel_of IS NULL GROUP BY terminal_id, alarm_id"""

TOLD_TWICE = """
    SELECT coalesce(facts ->> 'terminal_id', by) AS terminal_id, facts ->> 'alarm_id' AS alarm_id, count(*) AS told
    FROM incident_log WHERE code IN ('opened', 'alarm_joined') AND facts ? 'alarm_id'
    GROUP BY 1, 2 HAVING count(*) > 1"""
"""One press that moved the rules twice, though its row is there once."""


@dataclass
class Press:
    """One press; both instants are the clock's elapsed seconds. `stored_s` is None until the terminal has heard it."""

    pressed_s: float
    stored_s: float | None = None


@dataclass(frozen=True)
class Balance:
    """What became of all presses. `unheard`: in the database, but the terminal never heard so."""

    pressed: int
    lost: list[Sent]
    duplicated: list[Sent]
    unheard: list[Sent]
    longest_silence_s: float


@dataclass
class Ledger:
    """Every press of one ground."""

    presses: dict[Sent, Press] = field(default_factory=dict)
    waiting: set[Sent] = field(default_factory=set)

    def pressed(self, sent: Sent, now_s: float) -> None:
        """A key was pressed: the first time this alarm is published."""
        assert sent not in self.presses, "every press has an id of its own"
        self.presses[sent] = Press(now_s)
        self.waiting.add(sent)

    def stored(self, sent: Sent, now_s: float) -> None:
        """The terminal heard that its press is stored."""
        press = self.presses.get(sent)
        if press is not None and press.stored_s is None:
            press.stored_s = now_s
            self.waiting.discard(sent)

    def first_stored_s(self, since_s: float) -> float | None:
        """When the first of the presses made since then was heard as stored."""
        heard = (press.stored_s for press in self.presses.values() if press.pressed_s >= since_s)
        return min((stored_s for stored_s in heard if stored_s is not None), default=None)

    def silences_s(self, since_s: float = 0.0) -> list[float]:
        """How long each of the presses made since then waited for its receipt."""
        presses = (press for press in self.presses.values() if press.pressed_s >= since_s)
        return [press.stored_s - press.pressed_s for press in presses if press.stored_s is not None]

    async def balance(self, connection: asyncpg.Connection[Any]) -> Balance:
        """Hold what was sent against what is in the database."""
        rows = {(row["terminal_id"], row["alarm_id"]): row for row in await connection.fetch(FOUND)}
        told = {(row["terminal_id"], row["alarm_id"]) for row in await connection.fetch(TOLD_TWICE)}
        return Balance(
            pressed=len(self.presses),
            lost=sorted(sent for sent in self.presses if sent not in rows or rows[sent]["incidents"] == 0),
            duplicated=sorted(sent for sent, row in rows.items() if row["rows"] > 1 or sent in told),
            unheard=sorted(self.waiting),
            longest_silence_s=max(self.silences_s(), default=0.0),
        )
