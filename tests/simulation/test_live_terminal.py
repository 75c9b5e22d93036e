"""The reference terminal on a real broker: heard, repeated, told; online again after the broker was killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import msgspec
import pytest

from dispatch.clock import SystemClock
from simulator.live_terminal import LiveTerminal
from simulator.reach import Reach
from simulator.servers import MosquittoServer
from simulator.terminal import Say, Terminal

CLOCK = SystemClock()


class Said:
    """What a terminal has said aloud, to be awaited."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Say] = asyncio.Queue()

    def __call__(self, _device: Terminal, say: Say) -> None:
        self._queue.put_nowait(say)

    async def until(self, code: str) -> Say:
        while True:
            said = await self._queue.get()
            if said.code == code:
                return said


@asynccontextmanager
async def living(reach: Reach, name: str, said: Said) -> AsyncIterator[LiveTerminal]:
    terminal = LiveTerminal(Terminal(reach.centre_id, name, CLOCK.new_id().hex), reach, CLOCK, said)
    task = asyncio.create_task(terminal.run())
    yield terminal
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def next_of(service: aiomqtt.Client, name: str) -> dict[str, Any]:
    """The next message of one kind that reaches the service's side."""
    async for message in service.messages:
        if message.topic.value.endswith(f"/{name}"):
            return dict(msgspec.json.decode(bytes(message.payload)))
    raise AssertionError("the messages ended")


async def receipt(service: aiomqtt.Client, centre: str, name: str, alarm_id: str, **facts: Any) -> None:
    body = msgspec.json.encode({"alarm_id": alarm_id, "incident_id": "i", "at": "2026-03-01T12:00:00Z", **facts})
    await service.publish(f"onekey/1/{centre}/{name}/receipt", body, qos=1)


@pytest.mark.parametrize("name", ["t1", "t2"], ids=["mqtt 3.1.1", "mqtt 5"])
async def test_a_press_is_said_again_until_it_is_stored(broker: MosquittoServer, centre: str, name: str) -> None:
    reach, said = Reach(broker.port, "", centre), Said()
    async with aiomqtt.Client("127.0.0.1", broker.port) as service:
        await service.subscribe(f"onekey/1/{centre}/+/#", qos=1)
        async with living(reach, name, said) as terminal:
            assert (await next_of(service, "state"))["state"] == "ready"
            terminal.do(terminal.device.press("sos", "a1", CLOCK.now()))
            first = await next_of(service, "alarm")
            assert await next_of(service, "alarm") == first, "said again after a second, word for word"
            await receipt(service, centre, name, "a1", n=1, stage="stored")
            assert (await said.until("stored")).facts == {}
            await receipt(service, centre, name, "a1", n=2, stage="assigned", worker_name="林", eta_s=300)
            assert (await said.until("assigned")).facts == {"worker_name": "林", "eta_s": 300}


async def test_it_comes_back_after_the_broker_died_and_says_everything_again(centre: str, data_dir: Path) -> None:
    async with MosquittoServer(data_dir / "broker") as server:
        reach, said = Reach(server.port, "", centre), Said()
        async with living(reach, "t2", said) as terminal:
            async with aiomqtt.Client("127.0.0.1", server.port) as service:
                await service.subscribe(f"onekey/1/{centre}/+/state", qos=1)
                session = (await next_of(service, "state"))["session"]
            server.kill9()
            terminal.do(terminal.device.press("sos", "a1", CLOCK.now()))
            await server.start()
            async with aiomqtt.Client("127.0.0.1", server.port) as service:
                await service.subscribe(f"onekey/1/{centre}/+/#", qos=1)
                assert (await next_of(service, "alarm"))["id"] == "a1"
                assert terminal.device.session == session, "a lost link is no new life"


async def test_the_will_speaks_when_the_terminal_vanishes(broker: MosquittoServer, centre: str) -> None:
    reach = Reach(broker.port, "", centre)
    async with aiomqtt.Client("127.0.0.1", broker.port) as service:
        await service.subscribe(f"onekey/1/{centre}/+/state", qos=1)
        device = Terminal(centre, "t4", "s1")
        will = device.will(CLOCK.now())
        gone = aiomqtt.Client("127.0.0.1", reach.mqtt_port, will=aiomqtt.Will(will.topic, will.payload, qos=1))
        await gone.__aenter__()
        gone._client._sock_close()
        assert await next_of(service, "state") == {
            "state": "lost", "session": "s1", "at": msgspec.json.decode(will.payload)["at"]
        }  # fmt: skip
