"""What terminals are told about the centre: it listens, or it is lost, and whoever led before cannot unsay it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import msgspec
import pytest

from dispatch.clock import SystemClock, limit
from dispatch.mqtt import Address, Connection, Session, Will
from dispatch.mqtt.link import Link
from dispatch.notify import centre_state
from dispatch.notify.centre_state import CentreState, CentreStateTeller
from simulator.servers import MosquittoServer

WITHIN_S = 15.0
LATER = ("later", 0)


@pytest.fixture(autouse=True)
def _short_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(centre_state, "WILL_DELAY_S", 1)


@asynccontextmanager
async def telling(port: int, centre: str, term: int) -> AsyncIterator[CentreStateTeller]:
    """A leader's teller, for as long as it leads; it says good-bye at the end."""
    teller = CentreStateTeller(Address("127.0.0.1", port), centre, SystemClock(), term)
    task = asyncio.create_task(teller.run())
    try:
        yield teller
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Ear:
    """A terminal's ear for the centre's state, and a mouth for whoever speaks in the centre's name."""

    def __init__(self, client: aiomqtt.Client, topic: str) -> None:
        self._client = client
        self._topic = topic

    async def hear(self) -> tuple[str, int]:
        """The next state said, and the epoch it is said for."""
        async with limit(WITHIN_S):
            message = await anext(aiter(self._client.messages))
        assert isinstance(message.payload, bytes)
        if message.topic.value != self._topic:
            return LATER
        said = msgspec.json.decode(message.payload, type=CentreState)
        return said.state, said.epoch

    async def say(self, payload: bytes) -> None:
        await self._client.publish(self._topic, payload, qos=1, retain=True)


@asynccontextmanager
async def terminal(port: int, centre: str) -> AsyncIterator[Ear]:
    topic = f"onekey/1/{centre}/state"
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe(topic, qos=1)
        await client.subscribe(f"{centre}/later", qos=1)
        yield Ear(client, topic)


def of_epoch(epoch: int, state: str = "lost") -> bytes:
    return msgspec.json.encode({"state": state, "epoch": epoch, "at": "2026-03-01T08:00:00Z"})


async def a_will_later(port: int, ear: Ear, centre: str) -> list[tuple[str, int]]:
    """What was said until a will was published that began to wait just now: an earlier one has come by then."""
    is_there = asyncio.Event()
    marker = Connection(
        Address("127.0.0.1", port),
        Session(f"{centre}-later", will=Will(f"{centre}/later", b"later", delay_s=centre_state.WILL_DELAY_S)),
        clock=SystemClock(),
        on_batch=lambda _messages: None,
        on_unreadable=lambda _packet: None,
        on_connected=lambda _present: is_there.set(),
    )
    task = asyncio.create_task(marker.run())
    await is_there.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    heard: list[tuple[str, int]] = []
    while (said := await ear.hear()) != LATER:
        heard.append(said)
    return heard


def link_of(teller: CentreStateTeller) -> Link:
    link = teller.connection._link
    assert link is not None
    return link


async def test_listening_is_kept_for_terminals_that_come_later(broker: MosquittoServer, centre: str) -> None:
    async with telling(broker.port, centre, 3):
        async with terminal(broker.port, centre) as first:
            assert await first.hear() == ("listening", 3)
        async with terminal(broker.port, centre) as later:
            assert await later.hear() == ("listening", 3)


async def test_after_an_abrupt_end_it_is_lost_and_a_new_leader_listens_again(
    broker: MosquittoServer, centre: str
) -> None:
    async with terminal(broker.port, centre) as ear:
        async with telling(broker.port, centre, 1) as teller:
            assert await ear.hear() == ("listening", 1)
            link_of(teller).drop("power cut")
        assert await ear.hear() == ("lost", 1)
        async with telling(broker.port, centre, 2):
            assert await ear.hear() == ("listening", 2)


async def test_after_a_clean_end_it_is_lost_as_well(broker: MosquittoServer, centre: str) -> None:
    async with terminal(broker.port, centre) as ear:
        async with telling(broker.port, centre, 1):
            assert await ear.hear() == ("listening", 1)
        assert await ear.hear() == ("lost", 1)


async def test_a_connection_that_comes_back_in_time_is_never_called_lost(broker: MosquittoServer, centre: str) -> None:
    async with terminal(broker.port, centre) as ear, telling(broker.port, centre, 1) as teller:
        assert await ear.hear() == ("listening", 1)
        link_of(teller).drop("a short trouble")
        assert await ear.hear() == ("listening", 1)
        assert await a_will_later(broker.port, ear, centre) == []


async def test_a_successor_leaves_no_lost_behind(broker: MosquittoServer, centre: str) -> None:
    async with terminal(broker.port, centre) as ear:
        async with telling(broker.port, centre, 1):
            assert await ear.hear() == ("listening", 1)
        async with telling(broker.port, centre, 2):
            assert await ear.hear() == ("listening", 2)
            assert await a_will_later(broker.port, ear, centre) == []


async def test_a_frozen_leader_is_thrown_out_and_its_will_is_not_heard(broker: MosquittoServer, centre: str) -> None:
    async with terminal(broker.port, centre) as ear, telling(broker.port, centre, 1) as frozen:
        assert await ear.hear() == ("listening", 1)
        transport = link_of(frozen)._transport
        assert transport is not None
        transport.pause_reading()
        async with telling(broker.port, centre, 2):
            assert await ear.hear() == ("listening", 2)
            assert await a_will_later(broker.port, ear, centre) == []


@pytest.mark.parametrize("said", [of_epoch(4), of_epoch(4, "listening"), b"\xff not JSON", b'{"epoch": "x"}'])
async def test_whoever_speaks_for_an_older_term_is_contradicted(
    broker: MosquittoServer, centre: str, said: bytes
) -> None:
    async with terminal(broker.port, centre) as ear, telling(broker.port, centre, 5):
        assert await ear.hear() == ("listening", 5)
        await ear.say(said)
        async with aiomqtt.Client("127.0.0.1", broker.port) as late:
            while True:
                await late.subscribe(f"onekey/1/{centre}/state", qos=1)
                async with limit(WITHIN_S):
                    kept = await anext(aiter(late.messages))
                if b'"listening","epoch":5' in kept.payload:
                    break


async def test_a_newer_term_is_left_alone(broker: MosquittoServer, centre: str) -> None:
    async with terminal(broker.port, centre) as ear, telling(broker.port, centre, 5):
        assert await ear.hear() == ("listening", 5)
        await ear.say(of_epoch(6, "listening"))
        assert await ear.hear() == ("listening", 6)
        assert await a_will_later(broker.port, ear, centre) == []


async def test_a_broker_that_forgot_everything_is_told_again(data_dir: Path, centre: str) -> None:
    async with MosquittoServer(data_dir / "broker") as own, telling(own.port, centre, 1):
        async with terminal(own.port, centre) as ear:
            assert await ear.hear() == ("listening", 1)
        own.kill9()
        await own.start(fresh=True)
        async with terminal(own.port, centre) as ear:
            assert await ear.hear() == ("listening", 1)
