"""What is set for an elder's readings, who set it and why; and the readings that rang."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import msgspec

from dispatch.model import Cause, Elder, ElderId, HomeId, IncidentId, TerminalId
from dispatch.store.database import Connection, statements

SQL = statements("health")

_causes = msgspec.json.Decoder(tuple[Cause, ...])


class HealthSetting(msgspec.Struct, frozen=True):
    """What is set: `thresholds` is JSON of the limits that differ from the defaults, None if none does.

    `set_at`, `set_by` and `why` are None where nobody set it by hand: then it came with the register.
    """

    thresholds: str | None = None
    spo2_scale: str = "one"
    on_oxygen: bool | None = None
    set_at: datetime | None = None
    set_by: str | None = None
    why: str | None = None


async def settings_of_elders(connection: Connection, ids: Collection[str]) -> dict[ElderId, HealthSetting]:
    """What is in force for each elder; one that does not exist is absent."""
    found = {}
    for row in await connection.fetch(SQL["settings"], list(ids)):
        by_hand = (row["set_at"], row["set_by"], row["why"]) if row["is_by_hand"] else (None, None, None)
        found[row["elder_id"]] = HealthSetting(row["thresholds"], row["spo2_scale"], row["on_oxygen"], *by_hand)
    return found


async def put_setting(connection: Connection, setting_id: UUID, elder_id: ElderId, setting: HealthSetting) -> bool:
    """Set it, and keep that it was set; returns whether there is such an elder."""
    done = await connection.fetchval(
        SQL["put_setting"],
        *(setting_id, elder_id, setting.set_at, setting.set_by, setting.why),
        *(setting.thresholds, setting.spo2_scale, setting.on_oxygen),
    )
    return bool(done)


async def history(connection: Connection, elder_id: ElderId) -> list[HealthSetting]:
    """Everything that was ever set by hand, newest first."""
    return [HealthSetting(**row) for row in await connection.fetch(SQL["history"], elder_id)]


async def elder_by_id(connection: Connection, elder_id: ElderId) -> tuple[Elder, HomeId | None] | None:
    """An elder with the home they live in, or None."""
    row = await connection.fetchrow(SQL["elder_by_id"], elder_id)
    if row is None:
        return None
    elder = Elder(elder_id, row["name"], row["birth_year"], row["phone"], tuple(row["risks"]), row["note"])
    return elder, row["home_id"]


async def causes_of_incident(connection: Connection, incident_id: IncidentId) -> list[tuple[TerminalId, Cause]]:
    """What rang in an incident, and by whose readings, the oldest first."""
    rows = await connection.fetch(SQL["causes"], incident_id)
    return [(row["terminal_id"], cause) for row in rows for cause in _causes.decode(row["causes"])]
