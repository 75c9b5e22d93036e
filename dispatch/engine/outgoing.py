"""From effects to rows: log lines and outbox messages. Ids and codes only; names are put in at the edge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from dispatch.clock import Clock
from dispatch.incident.effects import (
    CallOutside,
    Effect,
    NotifyContact,
    NotifyOperators,
    Record,
    SendOffer,
    SendReceipt,
    TellWorker,
    WithdrawOffer,
)
from dispatch.incident.states import Incident
from dispatch.model import AssignmentId
from dispatch.store.outbox import OutboxMessage
from dispatch.store.record import LogRow

_encode = msgspec.json.Encoder(enc_hook=str).encode

MESSAGE_LIFE = timedelta(minutes=10)
"""No message down is worth more than this: what is older is told anew from the present state."""


def log_row(incident: Incident, effect: Effect, now: datetime) -> LogRow | None:
    """The log line of an effect, None if it has none."""
    match effect:
        case Record(code=code, by=by, facts=facts):
            return _line(incident, now, code, by, facts)
        case NotifyOperators(code=code, facts=facts):
            return _line(incident, now, "operators_told", "rules", {"what": code, **facts})
        case NotifyContact(target=target, level=level):
            return _line(incident, now, "help_wanted", "rules", {"target": target.value, "level": level})
        case CallOutside(service=service, level=level):
            return _line(incident, now, "outside_wanted", "rules", {"service": service, "level": level})
        case _:
            return None


def _line(incident: Incident, now: datetime, code: str, by: str, facts: dict[str, Any]) -> LogRow:
    return LogRow(
        incident_id=incident.id,
        at=now,
        code=code,
        by=by,
        state=incident.state,
        band=incident.band,
        level=incident.level,
        facts=facts,
    )


def message(incident: Incident | None, effect: Effect, now: datetime, clock: Clock) -> OutboxMessage | None:  # noqa: PLR0911 - a table
    """The message an effect sends, None if it sends none."""
    match effect:
        case SendReceipt(terminal_id=terminal_id):
            body = _facts(effect, incident) | {"at": now}
            return _message(incident, "terminal", terminal_id, "receipt", body, now, clock)
        case SendOffer(offer_id=offer_id, worker_id=worker_id, respond_by=respond_by):
            body = _facts(effect, incident)
            return _message(incident, "worker", worker_id, "offer", body, now, clock, offer_id, respond_by)
        case WithdrawOffer(offer_id=offer_id, worker_id=worker_id):
            return _message(incident, "worker", worker_id, "withdraw", _facts(effect, incident), now, clock, offer_id)
        case TellWorker(offer_id=offer_id, worker_id=worker_id):
            return _message(incident, "worker", worker_id, "notice", _facts(effect, incident), now, clock, offer_id)
        case NotifyContact(target=target):
            return _message(incident, "contact", target.value, "help", _facts(effect, incident), now, clock)
        case CallOutside(service=service):
            return _message(incident, "contact", service, "help", _facts(effect, incident), now, clock)
        case _:
            return None


def _facts(effect: Effect, incident: Incident | None) -> dict[str, Any]:
    facts: dict[str, Any] = {name: getattr(effect, name) for name in effect.__struct_fields__}
    facts["incident_id"] = incident.id if incident else None
    return facts


def _message(
    incident: Incident | None,
    channel: str,
    recipient: str,
    name: str,
    body: dict[str, Any],
    now: datetime,
    clock: Clock,
    offer_id: AssignmentId | None = None,
    expires_at: datetime | None = None,
) -> OutboxMessage:
    return OutboxMessage(
        id=clock.new_id(),
        channel=channel,
        recipient=recipient,
        message=name,
        incident_id=incident.id if incident else None,
        offer_id=offer_id,
        body=_encode(body),
        created_at=now,
        expires_at=expires_at or now + MESSAGE_LIFE,
    )


def withdrawn_offers(effects: Sequence[tuple[Incident | None, Effect]]) -> list[AssignmentId]:
    """Offers that some effect takes back: their message, if it has not been sent yet, is void."""
    return [effect.offer_id for _, effect in effects if isinstance(effect, WithdrawOffer)]
