"""To supervisor, family, station and outside services, as a ladder step says.

No gateway for these is set up yet, and saying so is the honest answer: the step stands on the board with its numbers,
for a person to dial, and the message is recorded as failed with `no_channel`, never as sent.
"""

from __future__ import annotations

import asyncio

from dispatch import logs
from dispatch.notify.channels import Answer, Channel, GiveUp, Means
from dispatch.store.outbox import OutboxMessage


class ContactChannel:
    """Names whom a person must reach by hand."""

    def __init__(self) -> None:
        self._unsaid: list[dict[str, str]] = []

    async def send(self, message: OutboxMessage) -> Answer:
        """Never reaches anybody by itself."""
        if not self._unsaid:
            asyncio.get_running_loop().call_soon(self._say)  # what a flood asks for is said at once
        self._unsaid.append({"target": message.recipient, "incident_id": str(message.incident_id)})
        return GiveUp("no_channel")

    def _say(self) -> None:
        unsaid, self._unsaid = self._unsaid, []
        logs.several("notify", "reach_by_hand", unsaid, "warning")


def open_channel(_means: Means) -> Channel:
    """Found by scanning."""
    return ContactChannel()
