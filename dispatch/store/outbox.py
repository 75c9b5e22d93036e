"""Messages to send: written in the commit that decided them, finished when a channel has sent or given them up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from dispatch.model import AssignmentId, IncidentId
from dispatch.store.database import Connection, statements
from dispatch.store.writes import Writes

SQL = statements("outbox")


class OutboxMessage(msgspec.Struct, frozen=True):
    """One message for one recipient through one channel; `body` is JSON, ids and codes only.

    Ids are time-ordered, so per recipient they sort in the order in which they were decided.
    """

    id: UUID
    channel: str
    recipient: str
    message: str
    incident_id: IncidentId | None
    offer_id: AssignmentId | None
    body: bytes
    created_at: datetime
    expires_at: datetime


class Finished(msgspec.Struct, frozen=True):
    """What became of a message: `sent`, `void` (with why) or `failed` (with why), after `attempts` tries."""

    id: UUID
    state: str
    reason: str | None = None
    attempts: int = 1


class _Row(msgspec.Struct):
    outbox_id: UUID
    channel: str
    recipient: str
    message: str
    incident_id: IncidentId | None
    offer_id: AssignmentId | None
    body: msgspec.Raw
    created_at: datetime
    expires_at: datetime


def add(writes: Writes, messages: Sequence[OutboxMessage]) -> None:
    """Write messages, in the deciding commit."""
    writes.add_rows(SQL["add"], [_row_of(each) for each in messages])


def _row_of(message: OutboxMessage) -> _Row:
    return _Row(
        outbox_id=message.id,
        channel=message.channel,
        recipient=message.recipient,
        message=message.message,
        incident_id=message.incident_id,
        offer_id=message.offer_id,
        body=msgspec.Raw(message.body),
        created_at=message.created_at,
        expires_at=message.expires_at,
    )


def void_offers(writes: Writes, offer_ids: Sequence[AssignmentId], reason: str, now: datetime) -> None:
    """Offers that ended before they were sent are not sent."""
    writes.add(SQL["void_offers"], list(offer_ids), reason, now)


async def finish(connection: Connection, done: Sequence[Finished], now: datetime) -> None:
    """Note what became of messages."""
    await connection.execute(
        SQL["finish"],
        [each.id for each in done],
        [each.state for each in done],
        [each.reason for each in done],
        [each.attempts for each in done],
        now,
    )


async def queued(connection: Connection, before: datetime, limit: int) -> list[OutboxMessage]:
    """Messages decided before some instant and not yet sent, oldest first."""
    rows = await connection.fetch(SQL["queued"], before, limit)
    return [_message_of(dict(row)) for row in rows]


def _message_of(fields: dict[str, Any]) -> OutboxMessage:
    fields["body"] = fields["body"].encode()
    return OutboxMessage(id=fields.pop("outbox_id"), **fields)


async def oldest_queued(connection: Connection) -> datetime | None:
    """When the oldest message not yet sent was decided; None if all are sent."""
    return await connection.fetchval(SQL["oldest_queued"])  # type: ignore[no-any-return]
