"""Who may say and hear what on the production broker: the files of `deploy/`, on a real Mosquitto.

Only paths, ports and the certificate (the tests of the MQTT connection have their own) are exchanged.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import aiomqtt
import pytest
import pytest_asyncio

from dispatch.clock import limit
from simulator.servers import MosquittoServer
from simulator.servers.mosquitto import CONFIG, find_program
from simulator.servers.ports import choose_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

USERS = ("dispatch", "terminal-1", "terminal-2")


class Guarded:
    """A broker with the production rules: `port` for terminals, `service_port` for the service."""

    def __init__(self, broker: MosquittoServer, service_port: int) -> None:
        self.port = broker.port
        self.service_port = service_port

    def client(self, user: str | None, name: str | None = None) -> aiomqtt.Client:
        port = self.service_port if user == "dispatch" else self.port
        password = f"of {user}" if user else None
        return aiomqtt.Client("127.0.0.1", port, username=user, password=password, identifier=name)


def listener_lines(folder: Path, service_port: int) -> str:
    """`deploy/mosquitto-listener.conf` with this machine's files and ports."""
    text = (CONFIG.parent / "mosquitto-listener.conf").read_text()
    text = re.sub(r"^(certfile|keyfile) .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("/etc/mosquitto/onekey.", f"{folder}/onekey.")
    return text.replace("listener 1883", f"listener {service_port}").replace(
        "listener 8883", "listener {port} 127.0.0.1"
    )


@pytest.fixture
def password_file(reachable: Path) -> Path:
    path = reachable / "onekey.passwords"
    path.touch()
    program, environment = find_program("mosquitto_passwd")
    for user in USERS:
        subprocess.run([program, "-b", path, user, f"of {user}"], check=True, capture_output=True, env=environment)
    path.chmod(0o644)
    return path


@pytest_asyncio.fixture
async def guarded(password_file: Path) -> AsyncIterator[Guarded]:
    folder = password_file.parent
    shutil.copy(CONFIG.parent / "mosquitto.acl", folder / "onekey.acl")
    service_port = choose_port(None, "Mosquitto")
    async with MosquittoServer(listener=listener_lines(folder, service_port)) as broker:
        yield Guarded(broker, service_port)


async def test_a_stranger_is_not_let_in(guarded: Guarded) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"(?i)not authori[sz]ed"):
        async with guarded.client(None):
            pass


async def test_a_terminal_speaks_for_itself_alone(guarded: Guarded) -> None:
    async with guarded.client("dispatch", "c-alarms") as service, guarded.client("terminal-1") as terminal:
        await service.subscribe("onekey/1/c/+/alarm", qos=1)
        await terminal.publish("onekey/1/c/terminal-2/alarm", b"not mine", qos=1)
        await terminal.publish("onekey/1/c/terminal-1/alarm", b"mine", qos=1)
        async with limit(10):
            message = await anext(aiter(service.messages))
    assert message.payload == b"mine"


async def test_a_terminal_hears_what_is_for_it_and_the_centre_state(guarded: Guarded) -> None:
    async with guarded.client("dispatch", "c-down") as service, guarded.client("terminal-1") as terminal:
        await terminal.subscribe("onekey/1/c/#", qos=1)
        await service.publish("onekey/1/c/terminal-2/receipt", b"for another", qos=1)
        await service.publish("onekey/1/c/terminal-1/receipt", b"for me", qos=1)
        await service.publish("onekey/1/c/state", b"for all", qos=1)
        heard = []
        async with limit(10):
            async for message in terminal.messages:
                heard.append(message.payload)
                if len(heard) == 2:
                    break
    assert heard == [b"for me", b"for all"]


async def test_nobody_throws_a_terminal_off_by_using_its_name(guarded: Guarded) -> None:
    async with guarded.client("terminal-1") as victim, guarded.client("dispatch", "c-alarms") as service:
        await service.subscribe("onekey/1/c/+/alarm", qos=1)
        async with guarded.client("terminal-2", name="terminal-1") as intruder:
            await intruder.publish("onekey/1/c/terminal-2/alarm", b"hello", qos=1)
            await victim.publish("onekey/1/c/terminal-1/alarm", b"still here", qos=1)
            heard = []
            async with limit(10):
                async for message in service.messages:
                    heard.append(message.payload)
                    if len(heard) == 2:
                        break
    assert sorted(heard) == [b"hello", b"still here"]


async def test_the_service_has_several_connections_under_one_user(guarded: Guarded) -> None:
    async with guarded.client("dispatch", "c-alarms") as alarms, guarded.client("dispatch", "c-vitals") as vitals:
        await alarms.subscribe("onekey/1/c/+/alarm", qos=1)
        await vitals.publish("onekey/1/c/terminal-1/alarm", b"both are here", qos=1)
        async with limit(10):
            message = await anext(aiter(alarms.messages))
    assert message.payload == b"both are here"
