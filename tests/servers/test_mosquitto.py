"""The real Mosquitto with the project's own settings."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from simulator.servers import MosquittoServer
from simulator.servers.mosquitto import CHECKOUT, CONFIG

if TYPE_CHECKING:
    from pathlib import Path


def client(broker: MosquittoServer, name: str, keeps_s: int = 0) -> aiomqtt.Client:
    """A client whose session the broker keeps for so many seconds after it has gone."""
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = keeps_s
    return aiomqtt.Client(
        broker.host,
        broker.port,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5,
        clean_start=keeps_s == 0,
        properties=properties,
    )


async def test_takes_a_client_without_a_name_and_hands_its_message_on(broker: MosquittoServer, centre: str) -> None:
    async with client(broker, f"{centre}-in") as listener, client(broker, f"{centre}-out") as speaker:
        await listener.subscribe(f"onekey/1/{centre}/t1/alarm", qos=1)
        await speaker.publish(f"onekey/1/{centre}/t1/alarm", b"pressed", qos=1)
        message = await anext(aiter(listener.messages))
    assert message.payload == b"pressed"


async def test_counts_what_it_dropped(reachable: Path) -> None:
    small = reachable / "small.conf"
    limits = CONFIG.read_text().replace("max_queued_messages 200000", "max_queued_messages 1")
    small.write_text(limits.replace("sys_interval 10", "sys_interval 1"))
    async with MosquittoServer(config=small) as broker:
        async with client(broker, "sleeper", keeps_s=3600) as sleeper:
            await sleeper.subscribe("onekey/1/c/+/alarm", qos=1)
        async with client(broker, "listener") as listener:
            await listener.subscribe("$SYS/broker/publish/messages/dropped", qos=0)
            for n in range(4):
                await listener.publish("onekey/1/c/t1/alarm", b"%d" % n, qos=1)
            async for message in listener.messages:  # the count is kept: the first may be from before
                if int(bytes(message.payload)) == 3:
                    break


async def test_a_session_outlives_a_clean_restart_on_the_same_port(data_dir: Path) -> None:
    async with MosquittoServer(data_dir / "a folder with spaces") as broker:
        port = broker.port
        async with client(broker, "service", keeps_s=3600) as service:
            await service.subscribe("onekey/1/c/+/alarm", qos=1)
        async with client(broker, "terminal") as terminal:
            await terminal.publish("onekey/1/c/t1/alarm", b"while away", qos=1)
        await broker.restart()
        assert broker.port == port
        async with client(broker, "service", keeps_s=3600) as service:
            message = await anext(aiter(service.messages))
    assert message.payload == b"while away"


async def test_comes_back_on_the_same_port_after_a_kill() -> None:
    async with MosquittoServer() as broker:
        port, pid = broker.port, broker.pid
        broker.kill9()
        assert not broker.is_running
        await broker.start()
        assert (broker.port, broker.pid == pid) == (port, False)


KEEPS_ONE_RUNNING = """
import asyncio, sys
from pathlib import Path
from simulator.servers import MosquittoServer
async def main():
    async with MosquittoServer(Path(sys.argv[1])) as broker:
        print(broker.pid, broker.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_it_ends_when_we_are_killed_even_if_it_is_frozen_and_its_port_is_free_again(data_dir: Path) -> None:
    ours = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KEEPS_ONE_RUNNING, str(data_dir), stdout=asyncio.subprocess.PIPE, cwd=CHECKOUT
    )
    assert ours.stdout is not None
    pid, port = map(int, (await ours.stdout.readline()).split())
    os.kill(pid, signal.SIGSTOP)
    ours.send_signal(signal.SIGKILL)
    await ours.wait()
    async with MosquittoServer(data_dir, port=port) as broker:  # waits for the end of the old one
        assert (broker.port, broker.pid == pid) == (port, False)


async def test_a_frozen_one_is_stopped_all_the_same() -> None:
    async with MosquittoServer() as broker:
        broker.send(signal.SIGSTOP)
    assert not broker.is_running


async def test_shows_the_door_to_whoever_sends_more_than_a_terminal_has_to_say(
    broker: MosquittoServer, centre: str
) -> None:
    with pytest.raises(aiomqtt.MqttError, match="Disconnected"):
        async with client(broker, f"{centre}-big") as speaker:
            await speaker.publish(f"onekey/1/{centre}/t1/alarm", b"x" * 20_000, qos=0)
            await anext(aiter(speaker.messages))


def test_the_settings_that_are_dangerous_to_leave_out_are_there() -> None:
    lines = CONFIG.read_text().splitlines()
    assert "max_queued_messages 200000" in lines
    assert "queue_qos0_messages false" in lines
