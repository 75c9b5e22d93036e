"""What the register knows of terminals: where they hang, whom they measure, and what they told of themselves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from dispatch.model import ElderId, Fault, IncidentId, TerminalId
from dispatch.store.database import Connection, statements

SQL = statements("people")


async def registered(connection: Connection, terminal_ids: Collection[TerminalId]) -> set[TerminalId]:
    """Those of these terminals that hang in a home."""
    return {row["terminal_id"] for row in await connection.fetch(SQL["registered"], list(terminal_ids))}


class Told(msgspec.Struct, frozen=True):
    """What is particular to the elder whom a terminal measures; `thresholds` is JSON."""

    terminal_id: TerminalId
    elder_id: ElderId
    thresholds: str | None
    spo2_scale: str
    on_oxygen: bool | None


async def particulars(connection: Connection) -> list[Told]:
    """Of each terminal what is particular to the elder whom it measures; terminals of other elders are absent."""
    return [Told(**row) for row in await connection.fetch(SQL["particulars"])]


async def wearers(connection: Connection, terminal_ids: Collection[str]) -> dict[TerminalId, ElderId]:
    """Whom each of these terminals measures, and every other one of that elder; none that is the only one."""
    rows = await connection.fetch(SQL["wearers"], list(terminal_ids))
    return {row["terminal_id"]: row["elder_id"] for row in rows}


class Sign(msgspec.Struct, kw_only=True):
    """What a terminal told of itself in one batch, put together. `heard_at` None: only the broker spoke (a will).

    `session` is the new one if it said it was ready; `state` what it is now; `lost_session` is set if that state is a
    `lost` that holds only for that session.
    """

    heard_at: datetime | None = None
    battery: float | None = None
    session: str | None = None
    state: str | None = None
    lost_session: str | None = None


async def heard(connection: Connection, signs: dict[TerminalId, Sign]) -> set[TerminalId]:
    """Keep signs of life; returns the terminals that began a new session. Unknown terminals are passed over."""
    told = list(signs.values())
    rows = await connection.fetch(
        SQL["heard"],
        list(signs),
        [each.heard_at for each in told],
        [each.battery for each in told],
        [each.session for each in told],
        [each.state for each in told],
        [each.lost_session for each in told],
    )
    return {row["terminal_id"] for row in rows if row["is_new"]}


async def add_faults(connection: Connection, faults: Sequence[Fault]) -> None:
    """Keep what terminals report of themselves; the same report again changes nothing."""
    await connection.execute(
        SQL["add_faults"],
        [each.terminal_id for each in faults],
        [each.fault_id for each in faults],
        [each.fault for each in faults],
        [each.is_on for each in faults],
        [each.happened_at for each in faults],
        [each.received_at for each in faults],
    )


class OpenCall(msgspec.Struct, frozen=True):
    """An open call and one of the terminals that hear of it, under that terminal's latest alarm."""

    incident_id: IncidentId
    terminal_id: TerminalId
    alarm_id: str


async def open_calls_of(connection: Connection, terminal_ids: Collection[TerminalId]) -> list[OpenCall]:
    """The open calls of these terminals."""
    return [OpenCall(**row) for row in await connection.fetch(SQL["open_calls_of"], list(terminal_ids))]
