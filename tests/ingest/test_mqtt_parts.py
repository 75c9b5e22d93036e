"""The parts of `dispatch.mqtt` without I/O: cutting bytes into packets, and the queue of what is to go out."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import mqtt5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.errors import Refused, Unreachable
from dispatch.mqtt.outgoing import ID_MAX, Outgoing
from dispatch.mqtt.wire import Broken, Stream, Torn, packet_length

PACKETS = [
    mqtt5.PublishPacket("a/b", b"x" * 300, qos=mqtt5.QoS.AT_LEAST_ONCE, packet_id=7).write(),
    mqtt5.PublishPacket("a", b"").write(),
    mqtt5.PubAckPacket(9).write(),
    mqtt5.PingRespPacket().write(),
    b"\x32\x08\x00\x01a\x00\x02\x02\x7f\x01",  # an unknown property: readable ends, unreadable inside
]

SHOUTS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The codec's panic leaves an exception behind that nobody can catch; what counts is that the stream goes on."""


def fed(*pieces: bytes) -> list[object]:
    stream = Stream()
    return [packet for piece in pieces for packet in stream.feed(piece)]


def shown(packets: list[object]) -> list[str]:
    return [repr(packet) for packet in packets]


@given(st.lists(st.sampled_from(PACKETS), max_size=8), st.lists(st.integers(0, 2500)))
def test_however_a_stream_is_cut_the_same_packets_come_out(packets: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(packets)
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    pieces = [whole[start:end] for start, end in pairwise(ends)]
    assert shown(fed(*pieces)) == shown(fed(whole))
    assert len(fed(whole)) == len(packets)


@SHOUTS
@given(st.binary(max_size=400), st.integers(0, 400))
def test_whatever_the_bytes_nothing_is_raised_and_only_the_last_is_torn(data: bytes, cut: int) -> None:
    packets = fed(data[:cut], data[cut:])  # also if the first piece was torn already
    assert not any(isinstance(packet, Torn) for packet in packets[:-1])


@SHOUTS
@given(st.sampled_from(PACKETS), st.lists(st.tuples(st.integers(0, 310), st.integers(0, 255)), max_size=3))
def test_a_spoilt_packet_between_good_ones_never_raises(packet: bytes, changes: list[tuple[int, int]]) -> None:
    spoilt = bytearray(packet)
    for place, byte in changes:
        spoilt[place % len(spoilt)] = byte
    assert shown(fed(PACKETS[1] + bytes(spoilt) + PACKETS[1]))[0] == shown(fed(PACKETS[1]))[0]


def test_a_packet_of_a_megabyte_in_small_pieces_comes_out_whole() -> None:
    packet = mqtt5.PublishPacket("a", b"x" * 1_000_000).write()
    pieces = [packet[at : at + 100] for at in range(0, len(packet), 100)]
    (read,) = fed(*pieces)
    assert isinstance(read, mqtt5.PublishPacket)
    assert read.payload == b"x" * 1_000_000


@pytest.mark.parametrize("length", [0, 127, 128, 16_383, 16_384, 1_000_000])
def test_lengths_are_told_by_hand_as_the_codec_tells_them(length: int) -> None:
    packet = mqtt5.PublishPacket("a", b"x" * length).write()
    assert packet_length(memoryview(packet)) == len(packet)
    assert packet_length(memoryview(packet[:1])) is None


def test_a_broken_packet_names_what_can_be_told() -> None:
    (broken,) = fed(PACKETS[-1])
    assert broken == Broken(3, PACKETS[-1], "ValueError: Invalid PropertyType value: 127", 1, 2, "a")


# --- out


class Out:
    """An `Outgoing` and the futures given to it."""

    def __init__(self, queue_max: int = 100_000) -> None:
        self.outgoing = Outgoing(queue_max)

    def add(self, payload: bytes, qos: int = 1, until: float | None = None) -> asyncio.Future[bool]:
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.outgoing.add("a", payload, qos, until, future, retain=False)
        return future

    def open(self, *, session_present: bool = True, window: int = 2) -> None:
        self.outgoing.opened(session_present=session_present, window=window, packet_max=None)

    def sent(self, now_s: float = 0) -> list[tuple[bytes, int | None, bool]]:
        data, count = self.outgoing.take(now_s)
        packets = fed(data)
        assert len(packets) == count
        return [
            (packet.payload, packet.packet_id, packet.duplicate)
            for packet in packets
            if isinstance(packet, mqtt5.PublishPacket)
        ]


async def test_nothing_goes_out_before_a_connection_stands_and_no_more_than_the_window() -> None:
    out = Out()
    for payload in (b"1", b"2", b"3"):
        out.add(payload)
    assert out.sent() == []
    out.open()
    assert out.sent() == [(b"1", 1, False), (b"2", 2, False)]
    assert out.sent() == []
    assert out.outgoing.acknowledged(2, 0)
    assert out.sent() == [(b"3", 3, False)]


async def test_without_a_session_all_begins_anew_and_with_one_it_is_repeated() -> None:
    out = Out()
    futures = [out.add(payload) for payload in (b"1", b"2", b"3")]
    out.open(window=2)
    out.sent()
    out.outgoing.acknowledged(1, 0)
    out.outgoing.lost()
    out.open(window=1)
    assert out.sent() == [(b"2", 2, True)]
    out.outgoing.lost()
    out.open(session_present=False, window=9)
    assert out.sent() == [(b"2", 3, False), (b"3", 4, False)]
    assert not out.outgoing.acknowledged(2, 0), "an answer for an id of the old session"
    for packet_id in (3, 4):
        out.outgoing.acknowledged(packet_id, 0)
    assert [future.result() for future in futures] == [True] * 3


async def test_two_losses_before_all_was_repeated_keep_the_order() -> None:
    out = Out()
    for number in range(6):
        out.add(b"%d" % number)
    out.open(window=4)
    out.sent()
    out.outgoing.lost()
    out.open(window=2)
    assert [payload for payload, _, _ in out.sent()] == [b"0", b"1"]
    out.outgoing.lost()
    out.open(window=10)
    assert [payload for payload, _, _ in out.sent()] == [b"%d" % number for number in range(6)]


async def test_ids_in_use_are_not_given_again() -> None:
    out = Out()
    out.open(window=65_535)
    kept = out.add(b"kept")
    assert out.sent() == [(b"kept", 1, False)]
    for number in range(2, ID_MAX + 2):
        out.add(b"")
        ((_, packet_id, _),) = out.sent()
        assert packet_id == (number if number <= ID_MAX else 2)
        out.outgoing.acknowledged(packet_id or 0, 0)
    assert not kept.done()


async def test_an_answer_that_refuses_fails_that_message_alone() -> None:
    out = Out()
    refused, taken = out.add(b"1"), out.add(b"2")
    out.open()
    out.sent()
    out.outgoing.acknowledged(1, 0x87)
    out.outgoing.acknowledged(2, 0x10)
    with pytest.raises(Refused, match="mqtt_publish_refused"):
        await refused
    assert await taken is False
    assert not out.outgoing.acknowledged(2, 0), "an answer nobody waits for"


async def test_whoever_waits_no_more_has_nothing_sent_and_what_is_too_old_neither() -> None:
    out = Out()
    given_up, old, good = out.add(b"1"), out.add(b"2", until=10.0), out.add(b"3", until=11.0)
    given_up.cancel()
    out.open()
    assert [payload for payload, _, _ in out.sent(now_s=10.5)] == [b"3"]
    with pytest.raises(Unreachable, match="mqtt_message_expired"):
        await old
    assert not good.done()


async def test_a_qos_0_message_waits_its_turn() -> None:
    out = Out()
    out.add(b"1")
    out.add(b"2")
    beat = out.add(b"3", qos=0)
    out.open(window=1)
    assert out.sent() == [(b"1", 1, False)]
    assert not beat.done()
    out.outgoing.acknowledged(1, 0)
    assert out.sent() == [(b"2", 2, False), (b"3", None, False)]
    assert beat.result() is True
