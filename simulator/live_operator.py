"""One operator of the live town: a board on the screen, and a mind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from dispatch.board.messages import BoardFrame, Delta, IncidentCard, Snapshot
from simulator.people import key_of

if TYPE_CHECKING:
    from uuid import UUID

    from dispatch.clock import Clock
    from simulator.live_client import LiveClient
    from simulator.people import OperatorMind


class LiveOperator:
    """Watches every call and acts as the mind says. `part` of `parts`: operators share the calls by their numbers."""

    def __init__(self, client: LiveClient, mind: OperatorMind, clock: Clock, part: int = 0, parts: int = 1) -> None:
        self._client, self._mind, self._clock = client, mind, clock
        self._part, self._parts = part, parts
        self._seen: dict[UUID, object] = {}

    async def run(self) -> None:
        """Follow the board until cancelled."""
        decoder = msgspec.json.Decoder(BoardFrame)
        async with asyncio.TaskGroup() as tasks:
            async for text in self._client.frames("/stream"):
                frame = decoder.decode(text)
                if isinstance(frame, Snapshot):
                    self._look(frame.board.incidents, tasks)
                elif isinstance(frame, Delta):
                    self._look(frame.incidents, tasks)

    def _look(self, cards: tuple[IncidentCard, ...], tasks: asyncio.TaskGroup) -> None:
        for card in cards:
            is_mine = card.number % self._parts == self._part
            if is_mine and self._seen.get(card.incident_id) != key_of(card):
                self._seen[card.incident_id] = key_of(card)
                tasks.create_task(self._act_on(card))

    async def _act_on(self, card: IncidentCard) -> None:
        """Act once; a call that changes meanwhile is looked at again and the service refuses what no longer fits."""
        act = self._mind.next_act(card)
        if act is None:
            return
        await self._clock.sleep(act.after_s)
        if self._seen.get(card.incident_id) == key_of(card):
            await self._client.try_post(f"/incidents/{card.incident_id}/{act.verb}", act.body)
