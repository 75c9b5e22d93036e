"""One worker of the live town: a phone with the page open, and a mind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from dispatch.board.worker_messages import WorkerCall, WorkerFrame, WorkerView
from dispatch.model import Place, WorkerId

if TYPE_CHECKING:
    from dispatch.clock import Clock
    from simulator.live_client import LiveClient
    from simulator.people import Act, WorkerMind

PLACE_EVERY_S = 60.0
STEPS_ON_THE_WAY = 4
Stage = tuple[object, ...]


class LiveWorker:
    """Comes on duty, reports the position, and acts on each offer as the mind says."""

    def __init__(self, worker_id: WorkerId, place: Place, client: LiveClient, mind: WorkerMind, clock: Clock) -> None:
        self.worker_id = worker_id
        self.client = client
        self._place, self._mind, self._clock = place, mind, clock
        self._stage: Stage = ()
        self._plan: asyncio.Task[None] | None = None

    async def come_on_duty(self) -> bool:
        """Say where one is and that one is on duty; whether the service took it."""
        await self._tell_place()
        return await self.client.try_post("/worker/duty", {"is_on_duty": True})

    async def run(self) -> None:
        """Follow the page until cancelled."""
        decoder = msgspec.json.Decoder(WorkerFrame)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._report_places())
            async for frame in self.client.frames("/worker/stream"):
                view = decoder.decode(frame)
                if isinstance(view, WorkerView):
                    self._look(view, tasks)

    def _look(self, view: WorkerView, tasks: asyncio.TaskGroup) -> None:
        """Think anew only when something has changed; what was planned for the former stage is dropped."""
        stage = _stage(view)
        if stage == self._stage:
            return
        was_offered = self._stage[:1] == ("offered",)
        self._stage = stage
        if self._plan is not None:
            self._plan.cancel()
            self._plan = None
        if view.call is not None:
            self._plan = tasks.create_task(self._act_on(view.call, self._mind.next_act(view.call)))
        elif view.ended == "lapsed" and view.ended_offer_id is not None and was_offered:
            act = self._mind.after_lapse()
            if act is not None:
                self._plan = tasks.create_task(self._do(f"/offers/{view.ended_offer_id}", act))

    async def _act_on(self, call: WorkerCall, act: Act | None) -> None:
        if call.state == "offered":
            await self._clock.sleep(self._mind.seen_after_s())
            await self.client.try_post(f"/offers/{call.offer_id}/seen")
        if act is None:
            return
        if act.verb == "arrive" and call.place is not None:
            await self._travel(call.place, act.after_s)
            await self.client.try_post(f"/offers/{call.offer_id}/arrive", act.body)
        else:
            await self._do(f"/offers/{call.offer_id}", act)

    async def _do(self, offer: str, act: Act) -> None:
        await self._clock.sleep(act.after_s)
        await self.client.try_post(f"{offer}/{act.verb}", act.body)

    async def _travel(self, door: Place, seconds: float) -> None:
        start = self._place
        for step in range(1, STEPS_ON_THE_WAY + 1):
            await self._clock.sleep(seconds / STEPS_ON_THE_WAY)
            share = step / STEPS_ON_THE_WAY
            self._place = Place(
                start.lat + (door.lat - start.lat) * share, start.lon + (door.lon - start.lon) * share, 10.0
            )
            await self._tell_place()

    async def _report_places(self) -> None:
        while True:
            await self._clock.sleep(PLACE_EVERY_S + self._clock.jitter(PLACE_EVERY_S / 4))
            await self._tell_place()

    async def _tell_place(self) -> None:
        place = {"lat": self._place.lat, "lon": self._place.lon, "accuracy_m": 10.0, "datum": "wgs84"}
        await self.client.try_post("/worker/place", place)


def _stage(view: WorkerView) -> Stage:
    """What must change on the page before a worker thinks anew."""
    call = view.call
    if call is None:
        return ("none", view.ended, view.ended_offer_id)
    return (call.state, call.offer_id, call.question, call.cancelled_at is not None)
