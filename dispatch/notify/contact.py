"""To supervisor, family, station and outside services, as a ladder step says.

No gateway for these is set up yet, and saying so is the honest answer: the step stands on the board with its numbers,
for a person to dial, and the message is recorded as failed with `no_channel`, never as sent.
"""

from __future__ import annotations

from dispatch import logs
from dispatch.notify.channels import Answer, Channel, GiveUp, Means
from dispatch.store.outbox import OutboxMessage

log = logs.get("notify")


class ContactChannel:
    """Names whom a person must reach by hand."""

    async def send(self, message: OutboxMessage) -> Answer:
        """Never reaches anybody by itself."""
        log.warning("reach_by_hand", target=message.recipient, incident_id=str(message.incident_id))
        return GiveUp("no_channel")


def open_channel(_means: Means) -> Channel:
    """Found by scanning."""
    return ContactChannel()
