"""Each channel by itself: the receipt a terminal hears through the real broker, a worker's page, and nobody to dial."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import aiomqtt
import msgspec
import pytest

from dispatch.clock import SystemClock, limit
from dispatch.errors import Unreachable
from dispatch.model import WorkerId
from dispatch.mqtt import Address, Connection, Session
from dispatch.notify.channels import Channel, GiveUp, Means, Retry, Sent, open_channels
from dispatch.store.outbox import OutboxMessage
from simulator.servers import MosquittoServer

NOW = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
INCIDENT = UUID(int=5)
WITHIN_S = 10.0


async def nowhere(_topic: str, _payload: bytes, _expiry_s: int) -> None:
    raise Unreachable("not_connected")


async def nobody(_worker_id: WorkerId) -> bool:
    return False


def channels(
    centre: str = "c1",
    publish: Callable[[str, bytes, int], Awaitable[None]] = nowhere,
    show: Callable[[WorkerId], Awaitable[bool]] = nobody,
) -> dict[str, Channel]:
    names = {WorkerId("W1"): "陈小梅"}
    return open_channels(Means(centre, lambda: NOW, publish, names.get, show))


def message(channel: str, recipient: str, left_s: float = 90.5, **body: Any) -> OutboxMessage:
    decided = {"alarm_id": "a1", "n": 2, "stage": "assigned", "at": NOW, "incident_id": INCIDENT} | body
    return OutboxMessage(
        id=UUID(int=1),
        channel=channel,
        recipient=recipient,
        message="receipt",
        incident_id=None,
        offer_id=None,
        body=msgspec.json.encode(decided),
        created_at=NOW,
        expires_at=NOW + timedelta(seconds=left_s),
    )


class Down:
    """The way down to terminals, as the service has it."""

    def __init__(self, port: int, centre: str) -> None:
        self.is_there = asyncio.Event()
        self.connection = Connection(
            Address("127.0.0.1", port),
            Session(f"{centre}-down"),
            clock=SystemClock(),
            on_batch=lambda _messages: None,
            on_unreadable=lambda _packet: None,
            on_connected=lambda _present: self.is_there.set(),
        )

    async def publish(self, topic: str, payload: bytes, expiry_s: int) -> None:
        await self.connection.publish(topic, payload, expiry_s=expiry_s)


@pytest.fixture
async def down(broker: MosquittoServer, centre: str) -> AsyncIterator[Down]:
    way = Down(broker.port, centre)
    task = asyncio.create_task(way.connection.run())
    await way.is_there.wait()
    yield way
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def heard(broker: MosquittoServer, centre: str, down: Down, sent: OutboxMessage) -> aiomqtt.Message:
    """What a terminal's own client gets of a message."""
    version = aiomqtt.ProtocolVersion.V5
    async with aiomqtt.Client("127.0.0.1", broker.port, protocol=version) as terminal:
        await terminal.subscribe(f"onekey/1/{centre}/T1/receipt", qos=1)
        assert await channels(centre, down.publish)["terminal"].send(sent) == Sent()
        async with limit(WITHIN_S):
            return await anext(aiter(terminal.messages))


def test_every_file_with_a_channel_is_one() -> None:
    assert set(channels()) == {"terminal", "worker", "contact"}


async def test_a_receipt_says_who_comes_by_name_and_ends_with_its_clock(
    broker: MosquittoServer, centre: str, down: Down
) -> None:
    got = await heard(broker, centre, down, message("terminal", "T1", worker_id="W1", eta_s=240))
    assert isinstance(got.payload, bytes)
    assert msgspec.json.decode(got.payload) == {
        "alarm_id": "a1",
        "n": 2,
        "stage": "assigned",
        "at": "2026-03-01T08:00:00Z",
        "incident_id": str(INCIDENT),
        "worker_name": "陈小梅",
        "eta_s": 240,
    }
    assert (got.qos, got.retain) == (1, False)
    expiry_s = vars(got.properties)["MessageExpiryInterval"]
    assert 60 < expiry_s <= 91  # 90.5 s, rounded up, less what the broker held it


@pytest.mark.parametrize("body", [{"worker_id": None, "eta_s": None}, {"worker_id": "W9"}, {"incident_id": None}])
async def test_what_is_not_known_is_left_out_and_no_workers_id_is_told(
    broker: MosquittoServer, centre: str, down: Down, body: dict[str, Any]
) -> None:
    got = await heard(broker, centre, down, message("terminal", "T1", **body))
    assert isinstance(got.payload, bytes)
    told = msgspec.json.decode(got.payload)
    assert not told.keys() & {"worker_id", "worker_name", "eta_s"}
    assert ("incident_id" in told) == ("incident_id" not in body)


async def test_a_broker_that_is_away_is_tried_again(data_dir: Path) -> None:
    async with MosquittoServer(data_dir / "broker") as own:
        way = Down(own.port, "c1")
        task = asyncio.create_task(way.connection.run())
        await way.is_there.wait()
        terminal = channels("c1", way.publish)["terminal"]
        own.kill9()
        sending = asyncio.ensure_future(terminal.send(message("terminal", "T1")))
        await asyncio.sleep(0)
        task.cancel()
        assert await sending == Retry("broker_away")
    assert await channels()["terminal"].send(message("terminal", "T1")) == Retry("broker_away")


async def test_a_worker_is_reached_on_an_open_page_only() -> None:
    shown: list[WorkerId] = []

    async def show(worker_id: WorkerId) -> bool:
        shown.append(worker_id)
        return len(shown) > 1

    worker = channels(show=show)["worker"]
    assert await worker.send(message("worker", "W1")) == Retry("no_page_open")
    assert await worker.send(message("worker", "W1")) == Sent()
    assert shown == ["W1", "W1"]


async def test_contacts_are_never_said_to_have_been_reached() -> None:
    assert await channels()["contact"].send(message("contact", "supervisor")) == GiveUp("no_channel")
