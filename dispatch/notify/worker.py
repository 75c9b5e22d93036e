"""To a worker, on the open page of the phone. Other ways to a closed page come as further files."""

from __future__ import annotations

from dispatch.model import WorkerId
from dispatch.notify.channels import Answer, Channel, Means, Retry, Sent
from dispatch.store.outbox import OutboxMessage


class WorkerChannel:
    """Brings the worker's pages up to date: they always show the present state, whatever message woke them."""

    def __init__(self, means: Means) -> None:
        self._means = means

    async def send(self, message: OutboxMessage) -> Answer:
        """Sent if a page is open; else tried again until the message is worth nothing any more."""
        shown = await self._means.show(WorkerId(message.recipient))
        return Sent() if shown else Retry("no_page_open")


def open_channel(means: Means) -> Channel:
    """Found by scanning."""
    return WorkerChannel(means)
