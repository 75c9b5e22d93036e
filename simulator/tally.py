"""What became of everything that was sent, counted in the database when a run is over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    import asyncpg

Sent = tuple[str, str]
"""A message that had to be stored: terminal and alarm id."""


@dataclass(frozen=True)
class Tally:
    """The sum of a run. `pressed` and `stored` count presses (tests and cancels apart): what was sent, and what the
    terminal heard `stored` for.

    `lost`: sent and in no incident, or `stored` to a terminal and not in the database. `duplicates`: one press in two
    incidents or stored twice. The rest counts incidents, and happenings in their logs.
    """

    pressed: int
    stored: int
    incidents: int
    accepted: int
    arrived: int
    closed: int
    lost: int
    duplicates: int
    invariant_violations: int
    lapses: int
    climbs: int
    cancels: int
    tests: int
    unreadable: int
    fallen_back: int

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Account:
    """What the town says it did: presses and other messages sent, those heard `stored`, and fall-backs."""

    presses: Collection[Sent]
    others: Collection[Sent]
    stored: Collection[Sent]
    fallen_back: int


COUNTED = """
    SELECT count(*) FILTER (WHERE code = 'opened') AS incidents,
        count(*) FILTER (WHERE code = 'offer_accepted') AS accepted,
        count(*) FILTER (WHERE code = 'arrived') AS arrived,
        count(*) FILTER (WHERE code = 'closed') AS closed,
        count(*) FILTER (WHERE code = 'offer_lapsed') AS lapses,
        count(*) FILTER (WHERE code = 'climbed') AS climbs,
        count(*) FILTER (WHERE code = 'alarm_cancelled') AS cancels,
        count(*) FILTER (WHERE code = 'closed' AND facts ->> 'outcome' = 'test') AS tests,
        count(*) FILTER (WHERE code = 'opened' AND facts ->> 'kind' = 'unreadable') AS unreadable
    FROM incident_log WHERE at >= $1"""

FOUND = """
    SELECT terminal_id, alarm_id, count(*) AS rows, count(DISTINCT incident_id) AS incidents
    FROM alarm WHERE received_at >= $1 GROUP BY terminal_id, alarm_id"""

FEW = 10


async def tally(
    connection: asyncpg.Connection[Any], account: Account, broken: Collection[str], since: datetime
) -> tuple[Tally, list[str]]:
    """The sum of what happened since, and a line for each press that was lost or doubled (a few of them)."""
    counted = await connection.fetchrow(COUNTED, since)
    assert counted is not None
    found = {(row["terminal_id"], row["alarm_id"]): row for row in await connection.fetch(FOUND, since)}
    sent = {*account.presses, *account.others}
    lost = [each for each in sent | set(account.stored) if each not in found]
    lost += [each for each in account.presses if each in found and found[each]["incidents"] == 0]
    doubled = [each for each in sent if each in found and (found[each]["rows"] > 1 or found[each]["incidents"] > 1)]
    told = [f"lost: {' '.join(each)}" for each in lost[:FEW]] + [f"doubled: {' '.join(each)}" for each in doubled[:FEW]]
    return Tally(
        pressed=len(account.presses),
        stored=len(set(account.stored) & set(account.presses)),
        lost=len(lost),
        duplicates=len(doubled),
        invariant_violations=len(broken),
        fallen_back=account.fallen_back,
        **counted,
    ), told


WORTH = {"pressed": 40, "accepted": 20, "arrived": 10, "closed": 10, "lapses": 1, "climbs": 1, "cancels": 1}
"""What a run must have shown to have been worth something."""


def failures(sum_of_run: Tally, *, must_be_worth: bool = True) -> list[str]:
    """Why the run does not count as good; empty if it does. `must_be_worth`: it must have shown everything once."""
    told = [
        f"{name} is {getattr(sum_of_run, name)}, must be 0"
        for name in ("lost", "duplicates", "invariant_violations")
        if getattr(sum_of_run, name)
    ]
    if sum_of_run.stored < sum_of_run.pressed:
        told.append(f"only {sum_of_run.stored} of {sum_of_run.pressed} presses heard that they are stored")
    return told + [
        f"{name} is {getattr(sum_of_run, name)}, wanted at least {least}"
        for name, least in WORTH.items()
        if must_be_worth and getattr(sum_of_run, name) < least
    ]
