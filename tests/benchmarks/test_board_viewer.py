"""What a viewer for measuring makes of the bytes that come, in whatever pieces they come."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.board_load import BoardLoad
from benchmarks.board_viewer import BoardViewer


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data


def frame(payload: bytes, opcode: int = 1) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes([0x80 | opcode, size]) + payload
    if size < 65_536:
        return bytes([0x80 | opcode, 126]) + size.to_bytes(2, "big") + payload
    return bytes([0x80 | opcode, 127]) + size.to_bytes(8, "big") + payload


def delta(follows: int, seq: int, size: int) -> bytes:
    said = f'{{"type":"delta","follows":{follows},"seq":{seq},"incidents":[]'.encode()
    return frame(said + b" " * size + b"}")


STREAM = (
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
    + frame(b'{"type":"snapshot","board":{"seq":3,"incidents":[' + b" " * 300 + b"]}}")
    + delta(3, 5, 10)
    + frame(b"ping", 9)
    + frame(b'{"type":"heartbeat","seq":5}')
    + delta(5, 9, 200)
    + delta(11, 12, 70_000)
    + frame(b"")
    + frame(b'{"type":"snapshot","board":{"seq":20,"incidents":[]}}')
)


@pytest.mark.parametrize("piece", [1, 7, 100, 4_096, len(STREAM)])
async def test_entries_jumps_and_gaps_are_seen_in_any_pieces(piece: int):
    viewer, wire = BoardViewer("host", "/", "a=b", lambda: 1.5, only_counts=False), Wire()
    viewer.connection_made(wire)
    for at in range(0, len(STREAM), piece):
        viewer.data_received(STREAM[at : at + piece])

    assert viewer.opened.done()
    assert [seq for seq, _ in viewer.seen] == [3, 5, 9, 12, 20]
    assert (viewer.jumps, viewer.gaps, viewer.frames) == ([(0, 3), (12, 20)], 1, 8)
    assert wire.written.endswith(b"ping")


async def delivered(viewer: BoardViewer, entries: list[tuple[int, str]]) -> int:
    load = BoardLoad()
    load._viewers = [viewer]
    told = await load.tell(entries=entries, from_seqs=[4], began_s=1.0)
    return int(told["delivered"])


async def test_an_entry_that_came_in_a_whole_picture_is_not_counted_as_delivered():
    viewer = BoardViewer("host", "/", "a=b", lambda: 1.5, only_counts=False)
    viewer.seq, viewer.jumps, viewer.seen = 20, [(12, 20)], [(12, 1.5), (20, 2.0)]
    entries = [(4, "a"), (5, "a"), (12, "b"), (13, "a"), (20, "b"), (21, "c")]

    assert await delivered(viewer, entries) == 2, "entries 5 and 12; 13 and 20 came in the picture"


async def test_a_call_that_changed_twice_in_one_frame_came_once():
    viewer = BoardViewer("host", "/", "a=b", lambda: 1.5, only_counts=False)
    viewer.seq, viewer.seen = 9, [(7, 1.5), (9, 2.0)]

    assert await delivered(viewer, [(5, "a"), (6, "b"), (7, "a"), (8, "a"), (9, "a")]) == 3
