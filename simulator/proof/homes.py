"""Terminals in homes: the reference terminal, on a radio link that loses, doubles and delays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from simulator.proof.centre import ALARM_CLIENT
from simulator.proof.hours import START
from simulator.proof.road import Road
from simulator.terminal import FallBack, Publish, Terminal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from simulator.proof.broker import Broker
    from simulator.proof.world import World
    from simulator.terminal import Key, ToDo
    from simulator.town import Town


class Homes:
    """All terminals. What must be found in the end is in `presses` and `others` (tests and cancels)."""

    def __init__(self, world: World, town: Town) -> None:
        self._world = world
        self._up, self._down = Road(world, "terminal_up"), Road(world, "terminal_down")
        self.broker: Broker
        self.terminals = {each.id: Terminal("proof", each.id, f"s-{each.id}") for each in town.terminals}
        self.presses: set[tuple[str, str]] = set()
        self.others: set[tuple[str, str]] = set()
        self.unreadable: set[tuple[str, bytes]] = set()
        self.fallen_back = 0
        for device in self.terminals.values():
            device.connected(self._now())

    def _now(self) -> datetime:
        return START.fromtimestamp(START.timestamp() + self._world.now_s, START.tzinfo)

    def press(self, terminal_id: str, key: Key, alarm_id: str, *, is_test: bool = False) -> None:
        """An elder presses a key."""
        device = self._device(terminal_id)
        self._world.story.tell(terminal_id, f"presses {key} as {alarm_id}{' (test)' if is_test else ''}")
        (self.others if is_test else self.presses).add((terminal_id, alarm_id))
        self._do(device, (device.test if is_test else device.press)(key, alarm_id, self._now()))

    def cancel(self, terminal_id: str, key: Key, of: str, alarm_id: str) -> None:
        """An elder takes a press back."""
        device = self._device(terminal_id)
        self._world.story.tell(terminal_id, f"takes {of} back as {alarm_id}")
        self.others.add((terminal_id, alarm_id))
        self._do(device, device.cancel(key, of, alarm_id, self._now()))

    def babble(self, terminal_id: str, payload: bytes) -> None:
        """A terminal says something that nobody can read."""
        self._do(self._device(terminal_id), [Publish(self._device(terminal_id).topic("alarm"), payload)])

    def again(self, terminal_id: str, alarm_id: str) -> None:
        """A terminal says the very same once more, for no good reason."""
        device = self._device(terminal_id)
        call = device.calls[alarm_id]
        self._do(device, [Publish(device.topic("alarm"), msgspec.json.encode(call.message))])

    def hear(self, topic: str, payload: bytes) -> None:
        """The broker has something for a terminal."""
        device = self._device(topic.split("/")[3])
        what = topic.split("/", 3)[3]
        self._down.carry(lambda: self._do(device, device.heard(topic, payload, self._now())), what)

    def unstored(self) -> list[tuple[str, str]]:
        """What terminals have sent and not heard `stored` of."""
        return [(name, call.alarm_id) for name, device in self.terminals.items() for call in device.unstored()]

    def _device(self, terminal_id: str) -> Terminal:
        return self.terminals[terminal_id]  # type: ignore[index]

    def _do(self, device: Terminal, to_do: Sequence[ToDo]) -> None:
        for each in to_do:
            if isinstance(each, Publish):
                self._send(each)
            elif isinstance(each, FallBack):
                self.fallen_back += 1
        if (due_at := device.due_at()) is not None:
            wait_s = (due_at - self._now()).total_seconds()
            self._world.later(max(0.0, wait_s), lambda: self._due(device, due_at))

    def _due(self, device: Terminal, due_at: datetime) -> None:
        if device.due_at() == due_at:
            self._do(device, device.due(max(due_at, self._now())))

    def _send(self, message: Publish) -> None:
        def arrive() -> None:
            self.broker.up(ALARM_CLIENT, message.topic, message.payload)

        self._up.carry(arrive, message.topic.split("/", 3)[3])
