"""Workers coming and going, and where they are: one function a statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from dispatch.model import Place, WorkerId
from dispatch.store.database import Connection, statements

SQL = statements("duty")


async def go_on_duty(connection: Connection, worker_id: WorkerId, now: datetime) -> bool:
    """Whether there is such a worker."""
    return await connection.fetchval(SQL["go_on_duty"], worker_id, now) is not None


async def go_off_duty(connection: Connection, worker_id: WorkerId, now: datetime) -> bool:
    """Whether the worker may leave: not while they have accepted a call that is not over."""
    return await connection.fetchval(SQL["go_off_duty"], worker_id, now) is not None


class Position(msgspec.Struct, frozen=True):
    """Where a worker was, and when."""

    worker_id: WorkerId
    place: Place
    at: datetime


async def save_places(connection: Connection, positions: Sequence[Position]) -> None:
    """Keep the last place of each worker; at most one position for a worker."""
    await connection.execute(
        SQL["save_places"],
        [each.worker_id for each in positions],
        [each.place.lat for each in positions],
        [each.place.lon for each in positions],
        [each.place.accuracy_m for each in positions],
        [each.at for each in positions],
    )
