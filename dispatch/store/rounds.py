"""What somebody asks who goes round all homes: when each was heard, whether it is looked after, when we listened."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import msgspec

from dispatch.health.silence import Span
from dispatch.model import ElderId, HomeId
from dispatch.store.database import Connection, statements

SQL = statements("rounds")
HALF_AN_HOUR = timedelta(minutes=30)


async def is_summed(connection: Connection, until: datetime) -> bool:
    """Whether everything that was received before then has been summed up."""
    return bool(await connection.fetchval(SQL["is_summed"], until))


async def count_homes(connection: Connection) -> int:
    """How many homes there are to look after."""
    return int(await connection.fetchval(SQL["count_homes"]))


async def next_homes(connection: Connection, after: str, limit: int) -> list[HomeId]:
    """The next homes in the order of ids."""
    return [row["home_id"] for row in await connection.fetch(SQL["next_homes"], after, limit)]


class Heard(msgspec.Struct, frozen=True):
    """When one home was heard: to the half hour, but for the last time of each day. `asked_on`: see `mark_asked`."""

    signs: tuple[datetime, ...]
    last_at: datetime
    days: frozenset[date]
    asked_on: frozenset[date]


async def days_heard(connection: Connection, days: Iterable[date], homes: Collection[str]) -> dict[HomeId, Heard]:
    """When each of these homes was heard on these days (UTC); one that never was is absent."""
    rows: dict[HomeId, list[tuple[date, int, datetime, bool]]] = {}
    for row in await connection.fetch(SQL["days_heard"], list(days), list(homes)):
        told = (row["day"], row["hours"], row["last_at"], row["is_asked"])
        rows.setdefault(row["home_id"], []).append(told)
    return {
        home_id: Heard(
            signs=tuple(at for day, hours, last_at, _ in told for at in _signs(day, hours, last_at)),
            last_at=max(last_at for _, _, last_at, _ in told),
            days=frozenset(day for day, *_ in told),
            asked_on=frozenset(day for day, _, _, is_asked in told if is_asked),
        )
        for home_id, told in rows.items()
    }


def _signs(day: date, hours: int, last_at: datetime) -> Iterable[datetime]:
    """The middle of each hour in which there was one, and the last of the day as it was."""
    midnight = datetime.combine(day, time(), UTC)
    for hour in range(24):
        if hours >> hour & 1:
            middle = midnight + timedelta(hours=hour) + HALF_AN_HOUR
            yield min(middle, last_at)
    yield last_at


async def mark_asked(connection: Connection, day: date, homes: Collection[str]) -> None:
    """Keep that the trends of these homes were looked at on a day."""
    await connection.execute(SQL["mark_asked"], day, list(homes))


async def last_sign(connection: Connection, home_id: HomeId, since: datetime) -> datetime | None:
    """When a home was last heard since then, as of this moment; None if it was not."""
    at: datetime | None = await connection.fetchval(SQL["last_sign"], home_id, since)
    return at


async def elders_of_homes(connection: Connection, homes: Collection[str]) -> dict[HomeId, list[ElderId]]:
    """Who lives in each home."""
    found: dict[HomeId, list[ElderId]] = {}
    for row in await connection.fetch(SQL["elders_of_homes"], list(homes)):
        found.setdefault(row["home_id"], []).append(row["elder_id"])
    return found


async def looked_after(
    connection: Connection, homes: Collection[str], kind: str, closed_since: datetime
) -> set[HomeId]:
    """Those of these homes of which a call is open, or one of that kind was closed since then."""
    return {row["subject_id"] for row in await connection.fetch(SQL["looked_after"], list(homes), kind, closed_since)}


async def listen(connection: Connection, span_id: UUID, span: Span) -> None:
    """Keep that we listened for so long; the same span again is longer."""
    await connection.execute(SQL["listen"], span_id, span.start_at, span.end_at)


async def listened(connection: Connection, since: datetime) -> list[Span]:
    """When we listened since then."""
    return [Span(row["start_at"], row["end_at"]) for row in await connection.fetch(SQL["listened"], since)]
