"""One terminal of the live town: the reference terminal on a connection of its own, by aiomqtt."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from dispatch import logs
from simulator.terminal import FallBack, Publish, Say, Terminal, ToDo

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from dispatch.clock import Clock
    from simulator.reach import Reach

log = logs.get("terminal")


class LiveTerminal:
    """Keeps one device connected, with a persistent session and its will; tells `on_said` whatever it says aloud.

    Every other terminal speaks MQTT 3.1.1, the rest MQTT 5.
    """

    def __init__(
        self,
        device: Terminal,
        reach: Reach,
        clock: Clock,
        on_said: Callable[[Terminal, Say], None] = lambda _device, _say: None,
    ) -> None:
        self.device = device
        self.fallen_back: list[FallBack] = []
        self._reach, self._clock, self._on_said = reach, clock, on_said
        self._to_send: asyncio.Queue[Publish] = asyncio.Queue()
        self._changed = asyncio.Event()

    def send_raw(self, name: str, payload: bytes) -> None:
        """Publish bytes of whatever kind on one of this terminal's topics."""
        self._to_send.put_nowait(Publish(self.device.topic(name), payload))

    def do(self, to_do: Sequence[ToDo]) -> None:
        """Carry out what the device asks for. What is to be sent while offline is said again on connecting."""
        for each in to_do:
            if isinstance(each, Publish):
                self._to_send.put_nowait(each)
            elif isinstance(each, Say):
                self._on_said(self.device, each)
            else:
                self.fallen_back.append(each)
                log.warning("fell_back", terminal_id=self.device.terminal_id, why=each.why)
        self._changed.set()

    async def run(self) -> None:
        """Connect, and again whenever the link breaks; until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_time())
            while True:
                try:
                    await self._connected_once()
                except (aiomqtt.MqttError, OSError) as error:
                    log.debug("link_lost", terminal_id=self.device.terminal_id, reason=str(error))
                self.device.disconnected()
                await self._clock.sleep(0.5 + self._clock.jitter(1.0))

    async def _connected_once(self) -> None:
        will = self.device.will(self._clock.now())
        async with self._client(aiomqtt.Will(will.topic, will.payload, qos=1)) as client:
            for topic in self.device.subscriptions():
                await client.subscribe(topic, qos=1)
            self._forget_unsent()
            self.do(self.device.connected(self._clock.now()))
            await _until_one_ends(self._send(client), self._listen(client))

    def _client(self, will: aiomqtt.Will) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._reach.mqtt_host,
            self._reach.mqtt_port,
            identifier=self.device.terminal_id,
            username=self._reach.mqtt_username,
            password=self._reach.mqtt_password,
            keepalive=30,
            will=will,
            **lasting_session(is_old=self.device.terminal_id[-1:] in "13579"),
        )

    def _forget_unsent(self) -> None:
        while not self._to_send.empty():
            self._to_send.get_nowait()

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload: Any = message.payload
            self.do(self.device.heard(message.topic.value, bytes(payload), self._clock.now()))

    async def _send(self, client: aiomqtt.Client) -> None:
        while True:
            each = await self._to_send.get()
            await client.publish(each.topic, each.payload, qos=1)

    async def _keep_time(self) -> None:
        """Call `due` when its time has come, online or not."""
        while True:
            self._changed.clear()
            due_at = self.device.due_at()
            wait_s = 3600.0 if due_at is None else (due_at - self._clock.now()).total_seconds()
            if wait_s <= 0 or not await self._clock.wait(self._changed, wait_s):
                self.do(self.device.due(self._clock.now()))


async def _until_one_ends(*halves: Coroutine[Any, Any, None]) -> None:
    """Run both halves of a connection. Raises what ended the first: a link that takes nothing any more is no link, even
    if it still brings something.
    """
    tasks = [asyncio.create_task(half) for half in halves]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


def lasting_session(*, is_old: bool) -> dict[str, Any]:
    """What asks for a session that outlives its connection, in the words of MQTT 3.1.1 (`is_old`) or 5."""
    if is_old:
        return {"protocol": ProtocolVersion.V311, "clean_session": False}
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = 86_400
    return {"protocol": ProtocolVersion.V5, "clean_start": False, "properties": properties}
