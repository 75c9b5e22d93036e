"""To the elder, through her terminal: receipts over MQTT (DESIGN.md section 5), at least once, in order."""

from __future__ import annotations

import math
from collections.abc import Awaitable

import msgspec

from dispatch.errors import Unreachable
from dispatch.model import WorkerId
from dispatch.notify.channels import Answer, Channel, Means, Retry, Sent
from dispatch.store.outbox import OutboxMessage


class _Decided(msgspec.Struct):
    """A receipt as it was decided: ids only."""

    alarm_id: str
    n: int
    stage: str
    at: str
    incident_id: str | None = None
    worker_id: WorkerId | None = None
    eta_s: int | None = None


class Receipt(msgspec.Struct, omit_defaults=True):
    """A receipt as the terminal hears it, with the worker's name."""

    alarm_id: str
    n: int
    stage: str
    at: str
    incident_id: str | None = None
    worker_name: str | None = None
    eta_s: int | None = None


_decoder = msgspec.json.Decoder(_Decided)


class TerminalChannel:
    """Publishes on `onekey/1/<centre>/<terminal>/receipt`."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def send(self, message: OutboxMessage) -> Awaitable[Answer]:
        """Given to the connection before this returns; done when the broker has acknowledged.

        The broker keeps it for a sleeping terminal until it expires.
        """
        decided = _decoder.decode(message.body)
        receipt = Receipt(
            alarm_id=decided.alarm_id,
            n=decided.n,
            stage=decided.stage,
            at=decided.at,
            incident_id=decided.incident_id,
            worker_name=self._means.name_of(decided.worker_id) if decided.worker_id else None,
            eta_s=decided.eta_s,
        )
        left_s = (message.expires_at - self._means.now()).total_seconds()
        topic = f"onekey/1/{self._means.centre_id}/{message.recipient}/receipt"
        return _answer(self._means.publish(topic, msgspec.json.encode(receipt), max(1, math.ceil(left_s))))


async def _answer(published: Awaitable[object]) -> Answer:
    try:
        await published
    except Unreachable:
        return Retry("broker_away")
    return Sent()


def open_channel(means: Means) -> Channel:
    """Found by scanning."""
    return TerminalChannel(means)
