"""`dispatch.mqtt` against a real Mosquitto; a few bytes no Mosquitto would send come from a listener of our own."""

from __future__ import annotations

import asyncio
import shutil
import signal
import ssl
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import aiomqtt
import mqtt5
import pytest

from dispatch.clock import SystemClock
from dispatch.errors import BadInput, Refused, Unreachable
from dispatch.mqtt import Address, Connection, Message, Session, Subscription, Unreadable, Will
from dispatch.mqtt.connection import GIVE_WAY_S
from simulator.servers.mosquitto import MosquittoServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

ALARMS = Subscription("onekey/1/xm/+/alarm")
TOPIC = "onekey/1/xm/t1/alarm"


class Lane:
    """One connection under test, and all it told."""

    def __init__(self, port: int, *, address: Address | None = None, unsent_max: int = 50_000, **session: Any) -> None:
        self.batches: list[list[Message]] = []
        self.messages: list[Message] = []
        self.unreadable: list[Unreadable] = []
        self.connects: list[bool] = []
        self.losses: list[str] = []
        self._changed = asyncio.Event()
        self.connection = Connection(
            address or Address("127.0.0.1", port),
            Session(**{"client_id": "xm-alarms-0", "subscriptions": (ALARMS,)} | session),
            clock=SystemClock(),
            on_batch=self._batch,
            on_unreadable=lambda item: self._note(self.unreadable, item),
            on_connected=lambda present: self._note(self.connects, present),
            on_lost=lambda reason: self._note(self.losses, reason),
            unsent_max=unsent_max,
        )
        self._ended, self.connection._ended = self.connection._ended, self._end  # type: ignore[method-assign]

    def _end(self, reason: str) -> None:
        self._ended(reason)
        self._changed.set()

    def _batch(self, batch: list[Message]) -> None:
        self.messages += batch
        self._note(self.batches, batch)

    def _note(self, where: list[Any], what: object) -> None:
        where.append(what)
        self._changed.set()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    async def until(self, holds: Callable[[], object]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()

    async def until_got(self, count: int) -> None:
        await self.until(lambda: len(self.messages) >= count)

    async def said(self, reason: str) -> None:
        """Wait for the reason of a failed attempt."""
        await self.until(lambda: (self.connection.broker_says or "").startswith(reason))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Lane]:
        task = asyncio.create_task(self.connection.run())
        try:
            await self.until(lambda: self.connects)
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def cut(self) -> None:
        """Lose the connection as by a pulled plug."""
        assert self.connection._link is not None
        self.connection._link.drop("cut")


@pytest.fixture
async def mosquitto() -> AsyncIterator[MosquittoServer]:
    async with MosquittoServer() as server:
        yield server


@asynccontextmanager
async def terminal(port: int, **settings: Any) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5, **settings) as client:
        yield client


async def press(port: int, *payloads: bytes, topic: str = TOPIC, **options: Any) -> None:
    async with terminal(port) as client:
        for payload in payloads:
            await client.publish(topic, payload, **{"qos": 1, **options})


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


# --- in


async def test_messages_come_in_order_and_are_acknowledged_once(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as lane:
        await press(mosquitto.port, *numbered(200))
        await lane.until(lambda: len(lane.messages) == 200)
        assert lane.payloads == numbered(200)
        assert {(message.topic, message.qos, message.retain) for message in lane.messages} == {(TOPIC, 1, False)}
        assert lane.connection.unacknowledged == 200
        lane.connection.acknowledge(lane.messages)
        lane.connection.acknowledge(lane.messages)
        assert lane.connection.unacknowledged == 0
        assert lane.connection.counts.acknowledged == 200


async def test_what_was_queued_while_away_arrives_in_batches(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running():
        pass
    await press(mosquitto.port, *numbered(500))
    async with Lane(mosquitto.port).running() as lane:
        await lane.until(lambda: len(lane.messages) == 500)
        assert lane.connects == [True]
        assert lane.payloads == numbered(500)
        assert len(lane.batches) < len(lane.messages)


async def test_qos_0_needs_no_acknowledgement(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port, subscriptions=(Subscription("onekey/1/xm/+/beat", qos=0),)).running() as lane:
        await press(mosquitto.port, b"beat", topic="onekey/1/xm/t1/beat", qos=0)
        await lane.until(lambda: lane.messages)
        assert lane.messages[0].token is None
        assert lane.connection.unacknowledged == 0


async def test_lost_before_the_acknowledgement_it_comes_again_and_after_it_never(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as lane:
        await press(mosquitto.port, b"kept", b"done")
        await lane.until(lambda: len(lane.messages) == 2)
        kept, done = lane.messages
        lane.connection.acknowledge([done])
        lane.cut()
        await lane.until(lambda: len(lane.messages) == 3 and len(lane.connects) == 2)
        assert lane.losses == ["cut"]
        assert lane.connects == [False, True]
        assert lane.payloads == [b"kept", b"done", b"kept"]

        assert lane.connection.unacknowledged == 1
        lane.connection.acknowledge([kept])  # its packet id died with the first connection
        assert lane.connection.unacknowledged == 1
        lane.connection.acknowledge(lane.messages)
        lane.cut()
        await lane.until(lambda: len(lane.connects) == 3)
        await press(mosquitto.port, b"next")
        await lane.until(lambda: lane.payloads[-1] == b"next")
        assert lane.payloads == [b"kept", b"done", b"kept", b"next"]


async def test_an_acknowledgement_given_twice_never_hits_a_later_message_with_the_same_packet_id(
    mosquitto: MosquittoServer,
) -> None:
    async with Lane(mosquitto.port, receive_maximum=1).running() as lane:
        await press(mosquitto.port, b"first", b"second")
        await lane.until(lambda: lane.messages)
        first = lane.messages[0]
        lane.connection.acknowledge([first])
        await lane.until(lambda: len(lane.messages) == 2)
        lane.connection.acknowledge([first])
        lane.cut()
        await lane.until(lambda: len(lane.messages) == 3)
        assert lane.payloads == [b"first", b"second", b"second"]


async def test_no_more_than_receive_maximum_are_out_at_once(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port, receive_maximum=7).running() as lane:
        await press(mosquitto.port, *numbered(30))
        await lane.until(lambda: len(lane.messages) >= 7)
        await press(mosquitto.port, b"beyond")  # the broker has answered this, so it would have sent more if it might
        assert len(lane.messages) == 7
        while len(lane.messages) < 31:
            expected = min(31, len(lane.messages) + lane.connection.unacknowledged)
            lane.connection.acknowledge(lane.messages)
            await lane.until_got(expected)
        assert lane.payloads == [*numbered(30), b"beyond"]


async def test_without_a_session_it_says_so(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port, expiry_s=0).running() as lane:
        lane.cut()
        await lane.until(lambda: len(lane.connects) == 2)
        assert lane.connects == [False, False]
        await press(mosquitto.port, b"heard")
        await lane.until(lambda: lane.messages)


async def test_clean_start_forgets_the_session(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running():
        pass
    await press(mosquitto.port, b"before")
    async with Lane(mosquitto.port, clean_start=True).running() as lane:
        await press(mosquitto.port, b"after")
        await lane.until(lambda: lane.messages)
        assert lane.connects == [False]
        assert lane.payloads == [b"after"]


async def test_retained_messages_are_not_delivered_at_subscribing(mosquitto: MosquittoServer) -> None:
    await press(mosquitto.port, b"old", retain=True)
    async with Lane(mosquitto.port).running() as lane:
        await press(mosquitto.port, b"new", retain=True)
        await lane.until(lambda: lane.messages)
        assert [(message.payload, message.retain) for message in lane.messages] == [(b"new", False)]
        lane.cut()
        await lane.until(lambda: len(lane.messages) == 2)
        assert lane.payloads == [b"new", b"new"]


async def test_a_consumer_that_fails_gets_its_messages_again(mosquitto: MosquittoServer) -> None:
    lane = Lane(mosquitto.port)
    accept, lane.connection._on_batch = lane._batch, _fail
    async with lane.running():
        await press(mosquitto.port, b"help")
        await lane.until(lambda: lane.losses)
        assert lane.losses == ["consumer_failed"]
        lane.connection._on_batch = accept
        await lane.until(lambda: lane.messages)
        assert lane.payloads == [b"help"]


def _fail(_batch: list[Message]) -> None:
    raise RuntimeError


# --- out


async def test_published_messages_arrive_in_order_and_say_whether_anybody_listened(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as lane, terminal(mosquitto.port) as listener:
        assert await lane.connection.publish("onekey/1/xm/t9/receipt", b"nobody") is False
        await listener.subscribe("onekey/1/xm/t1/receipt", qos=1)
        sent = [lane.connection.publish("onekey/1/xm/t1/receipt", payload) for payload in numbered(300)]
        assert all(await asyncio.gather(*sent))
        got = []
        async for message in listener.messages:
            got.append(message.payload)
            if len(got) == 300:
                break
        assert got == numbered(300)
        assert lane.connection.unsent == 0
        assert lane.connection.counts.confirmed == 301


async def test_qos_0_is_done_when_written(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as lane:
        assert await lane.connection.publish("a", b"b", qos=0) is True


async def test_published_while_away_goes_out_on_connecting(mosquitto: MosquittoServer) -> None:
    async with terminal(mosquitto.port) as listener:
        await listener.subscribe("a", qos=1)
        lane = Lane(mosquitto.port)
        early = [lane.connection.publish("a", payload) for payload in numbered(5)]
        async with lane.running():
            assert await asyncio.gather(*early) == [True] * 5
        assert [(await anext(aiter(listener.messages))).payload for _ in range(5)] == numbered(5)


async def test_expiry_goes_along_and_counts_in_our_own_queue_too(mosquitto: MosquittoServer) -> None:
    lane = Lane(mosquitto.port)
    late, soon = lane.connection.publish("a", b"late", expiry_s=0), lane.connection.publish("a", b"soon", expiry_s=60)
    async with terminal(mosquitto.port) as listener:
        await listener.subscribe("a", qos=1)
        async with lane.running():
            with pytest.raises(Unreachable, match="mqtt_message_expired"):
                await late
            await soon
            message = await anext(aiter(listener.messages))
            assert message.payload == b"soon"
            assert message.properties is not None
            assert getattr(message.properties, "MessageExpiryInterval", None) in range(50, 61)


async def test_one_message_that_cannot_be_sent_stops_no_other(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as lane:
        publish = lane.connection.publish
        wild, lone, large, good = (
            publish("a/#", b""),
            publish("a\ud800", b""),
            publish("a", b"x" * 20_000),
            publish("a", b""),
        )
        for future in (wild, lone):
            with pytest.raises(BadInput, match="mqtt_cannot_be_sent"):
                await future
        with pytest.raises(Refused, match="mqtt_packet_too_large"):
            await large
        await good
        assert lane.losses == []


async def test_a_full_queue_refuses_and_a_closed_connection_fails_what_is_left(mosquitto: MosquittoServer) -> None:
    lane = Lane(mosquitto.port, unsent_max=2)
    first, second, third = (lane.connection.publish("a", b"x") for _ in range(3))
    with pytest.raises(Unreachable, match="mqtt_queue_full"):
        await third
    async with lane.running():
        await asyncio.gather(first, second)
        mosquitto.send(signal.SIGSTOP)
        pending = lane.connection.publish("a", b"never confirmed")
    mosquitto.send(signal.SIGCONT)
    with pytest.raises(Unreachable, match="mqtt_closed"):
        await pending
    with pytest.raises(Unreachable, match="mqtt_closed"):
        await lane.connection.publish("a", b"after the end")


# --- staying


async def test_a_killed_broker_is_found_again(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as lane:
        mosquitto.kill9()
        await lane.until(lambda: lane.losses)
        assert not lane.connection.is_connected
        waiting = lane.connection.publish("a", b"kept for later")
        await lane.said("unreachable")
        await mosquitto.start()
        await lane.until(lambda: len(lane.connects) == 2)
        await waiting
        await press(mosquitto.port, b"heard")
        await lane.until(lambda: lane.messages)


async def test_a_frozen_broker_is_noticed(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port, keep_alive_s=1).running() as lane:
        mosquitto.send(signal.SIGSTOP)
        await lane.until(lambda: lane.losses)
        assert lane.losses == ["silent"]
        mosquitto.send(signal.SIGCONT)
        await lane.until(lambda: len(lane.connects) == 2)


async def test_another_with_our_name_inherits_what_we_did_not_acknowledge(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running() as old:
        await press(mosquitto.port, b"help")
        await old.until(lambda: old.messages)
        async with Lane(mosquitto.port).running() as new:
            await new.until(lambda: new.messages)
            assert new.connects == [True]
            assert new.payloads == [b"help"]
            await old.until(lambda: old.losses)


async def test_a_will_is_published_after_a_cut_and_after_a_good_bye_as_well(mosquitto: MosquittoServer) -> None:
    will = Will("onekey/1/xm/state", b"lost")
    async with terminal(mosquitto.port) as listener:
        await listener.subscribe(will.topic, qos=1)
        async with Lane(mosquitto.port, will=will, expiry_s=0).running():
            await press(mosquitto.port, b"there", topic=will.topic)
        async with Lane(mosquitto.port, will=will, expiry_s=0).running() as lane:
            await press(mosquitto.port, b"there again", topic=will.topic)
            lane.cut()
            got = [(await anext(aiter(listener.messages))).payload for _ in range(4)]
        assert got == [b"there", b"lost", b"there again", b"lost"]


async def test_a_good_bye_keeps_the_session(mosquitto: MosquittoServer) -> None:
    async with Lane(mosquitto.port).running():
        pass
    async with Lane(mosquitto.port).running() as lane:
        assert lane.connects == [True]


# --- signing in


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the broker's own user can read as well."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


async def test_wrong_credentials_are_named_and_tried_again(open_folder: Path) -> None:
    passwords = open_folder / "passwords"
    run("mosquitto_passwd", "-c", "-b", passwords, "service", "right")
    passwords.chmod(0o644)
    listener = f"listener {{port}} 127.0.0.1\nallow_anonymous false\npassword_file {passwords}\n"
    async with MosquittoServer(listener=listener) as server:
        address = Address("127.0.0.1", server.port, "service", "wrong")
        assert "wrong" not in repr(address)
        lane = Lane(server.port, address=address)
        async with running_unconnected(lane):
            await lane.said("refused_not_authorized")
            run("mosquitto_passwd", "-b", passwords, "service", "wrong")
            passwords.chmod(0o644)
            server.send(signal.SIGHUP)
            await lane.until(lambda: lane.connects)
        assert lane.losses == ["left"]


async def test_tls_is_spoken_and_a_stranger_refused(open_folder: Path) -> None:
    key, certificate = open_folder / "key.pem", open_folder / "certificate.pem"
    made = ("-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    kind = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
    run("openssl", "req", *made, *kind, "-keyout", key, "-out", certificate)
    key.chmod(0o644)
    listener = f"listener {{port}} 127.0.0.1\nallow_anonymous true\nkeyfile {key}\ncertfile {certificate}\n"
    async with MosquittoServer(listener=listener) as server:
        strict = ssl.create_default_context()
        lane = Lane(server.port, address=Address("localhost", server.port, tls=strict))
        async with running_unconnected(lane):
            await lane.said("unreachable ([SSL: CERTIFICATE_VERIFY_FAILED]")
            strict.load_verify_locations(certificate)
            await lane.until(lambda: lane.connects)
            assert await lane.connection.publish(TOPIC, b"heard") is True
            await lane.until(lambda: lane.messages)


def run(program: str, *arguments: str | Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"NOT TESTED: {program} is not installed here")
    subprocess.run([program, *arguments], check=True, capture_output=True)


@asynccontextmanager
async def running_unconnected(lane: Lane) -> AsyncIterator[None]:
    task = asyncio.create_task(lane.connection.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# --- what no Mosquitto would send


class Babbler:
    """Listens on a port, greets like a broker, then sends to its nth visitor the nth of `scripts`."""

    def __init__(self, *scripts: bytes, answers: bool = True) -> None:
        self._scripts = list(scripts)
        self._answers = answers
        self.heard: list[mqtt5.Packet] = []
        self.changed = asyncio.Event()
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._visited, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while data := await reader.read(1 << 16):
            rest += data
            while rest:
                packet, length = mqtt5.read(memoryview(rest))
                rest = rest[length:]
                self.heard.append(packet)
                self._answer(packet, writer)
                self.changed.set()
        writer.close()

    def _answer(self, packet: mqtt5.Packet, writer: asyncio.StreamWriter) -> None:
        match packet:
            case mqtt5.ConnectPacket():
                writer.write(mqtt5.ConnAckPacket(session_present=True, receive_max=2).write())
            case mqtt5.SubscribePacket():
                granted = [mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE]
                writer.write(mqtt5.SubAckPacket(packet.packet_id, granted).write())
                if self._scripts:
                    writer.write(self._scripts.pop(0))
            case mqtt5.PingReqPacket() if self._answers:
                writer.write(mqtt5.PingRespPacket().write())

    def all_of(self, kind: type[Any]) -> list[Any]:
        return [packet for packet in self.heard if type(packet) is kind]

    async def until(self, kind: type[Any], count: int) -> list[Any]:
        while len(self.all_of(kind)) < count:
            self.changed.clear()
            await self.changed.wait()
        return self.all_of(kind)


def delivery(packet_id: int, topic: bytes = TOPIC.encode(), payload: bytes = b"help", first: int = 0x32) -> bytes:
    body = len(topic).to_bytes(2) + topic + packet_id.to_bytes(2) + b"\x00" + payload
    assert len(body) < 128
    return bytes([first, len(body)]) + body


SHOUTS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The codec's panic leaves an exception behind that nobody can catch; what counts is that the stream goes on."""

BAD = {
    "a topic that is not UTF-8": (delivery(2, b"onekey/\xff/alarm"), "onekey/\ufffd/alarm", 2),
    "a surrogate in the topic": (delivery(2, b"onekey/\xed\xa0\x80/alarm"), "onekey/\ufffd\ufffd\ufffd/alarm", 2),
    "a NUL in the topic": (delivery(2, b"onekey/\x00/alarm"), "onekey/\ufffd/alarm", 2),
    "an unknown property": (b"\x32\x08\x00\x01a\x00\x02\x02\x7f\x01", "a", 2),
    "a topic over the end, and nothing to acknowledge": (b"\x32\x05\x00\xff\x00\x02\x00", "", None),
}


@SHOUTS
@pytest.mark.parametrize(("bad", "topic", "packet_id"), BAD.values(), ids=BAD.keys())
async def test_an_unreadable_packet_among_good_ones_is_set_apart_and_acknowledged(
    bad: bytes, topic: str, packet_id: int | None
) -> None:
    async with Babbler(delivery(1) + bad + delivery(3)) as broker, Lane(broker.port).running() as lane:
        await lane.until(lambda: len(lane.messages) == 2 and lane.unreadable)
        assert lane.payloads == [b"help", b"help"]
        (unreadable,) = lane.unreadable
        assert (unreadable.packet, unreadable.topic) == (bad, topic)
        assert (unreadable.token is None) == (packet_id is None)
        lane.connection.acknowledge([*lane.messages, unreadable])
        expected = [1, 3] if packet_id is None else [1, 3, packet_id]
        acknowledged = await broker.until(mqtt5.PubAckPacket, len(expected))
        assert [packet.packet_id for packet in acknowledged] == expected
        assert lane.losses == []
        assert lane.connection.counts.unreadable == 1


async def test_a_qos_2_message_is_refused_and_not_met_again() -> None:
    async with Babbler(delivery(2, first=0x34)) as broker, Lane(broker.port).running() as lane:
        await lane.until(lambda: lane.unreadable)
        lane.connection.acknowledge(lane.unreadable)
        (refusal,) = await broker.until(mqtt5.PubRecPacket, 1)
        assert (refusal.packet_id, refusal.reason_code) == (2, mqtt5.PubRecReasonCode.IMPLEMENTATION_SPECIFIC_ERROR)


@pytest.mark.parametrize(
    ("torn", "reason"),
    [
        (b"\x32\xff\xff\xff\xff\x01", "packet_length_malformed"),
        (b"\x32\xff\xff\xff\x7f", "packet_too_large"),
        (b"\x00\x00", "ValueError"),
        (b"\xe0\x01\x8b", "server_shutting_down"),
        (b"\x30\x00\x20\x03\x00\x87\x00", "refused_not_authorized"),
        (mqtt5.SubAckPacket(9, [mqtt5.SubAckReasonCode.NOT_AUTHORIZED]).write(), "subscription_refused_not_authorized"),
        (mqtt5.AuthPacket().write(), "unexpected_authpacket"),
    ],
)
async def test_after_bytes_that_make_no_sense_the_good_ones_count_and_it_connects_again(
    torn: bytes, reason: str
) -> None:
    async with Babbler(delivery(1) + torn, delivery(2)) as broker, Lane(broker.port).running() as lane:
        await lane.until(lambda: len(lane.messages) == 2)
        assert lane.losses[0].startswith(reason)
        assert lane.connects == [True, True]


async def test_the_brokers_window_is_kept_and_what_it_did_not_confirm_goes_again_in_order() -> None:
    async with Babbler() as broker, Lane(broker.port).running() as lane:
        for payload in numbered(4):
            lane.connection.publish("a", payload)
        sent = await broker.until(mqtt5.PublishPacket, 2)
        lane.cut()
        await lane.until(lambda: len(lane.connects) == 2)
        sent = await broker.until(mqtt5.PublishPacket, 4)
        assert [(packet.payload, packet.packet_id, packet.duplicate) for packet in sent] == [
            (b"0", 1, False),
            (b"1", 2, False),
            (b"0", 1, True),
            (b"1", 2, True),
        ]
        assert lane.connection.unsent == 4


async def test_a_quiet_connection_is_kept_alive() -> None:
    async with Babbler() as broker, Lane(broker.port, keep_alive_s=1).running() as lane:
        await broker.until(mqtt5.PingReqPacket, 4)
        assert lane.losses == []


async def test_pings_without_an_answer_end_it() -> None:
    async with Babbler(answers=False) as broker, Lane(broker.port, keep_alive_s=1).running() as lane:
        await lane.until(lambda: lane.losses)
        assert lane.losses == ["silent"]
        assert broker.all_of(mqtt5.PingReqPacket)


async def test_whoever_is_told_that_its_name_was_taken_gives_way() -> None:
    taken = mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.SESSION_TAKEN_OVER).write()
    async with Babbler(taken) as broker, Lane(broker.port).running() as lane:
        await lane.until(lambda: lane.losses)
        assert lane.losses == ["session_taken_over"]
        assert lane.connection._backoff_s(failures=0) == GIVE_WAY_S


async def test_the_broker_is_told_who_we_are_and_what_we_take() -> None:
    async with Babbler() as broker, Lane(broker.port, receive_maximum=7, keep_alive_s=9).running():
        (hello,) = broker.all_of(mqtt5.ConnectPacket)
        assert (hello.client_id, hello.receive_max, hello.keep_alive) == ("xm-alarms-0", 7, 9)
        assert (hello.clean_start, hello.session_expiry_interval, hello.max_packet_size) == (False, 86_400, 1 << 20)
