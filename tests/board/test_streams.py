"""The live streams: nothing is missed, a stale board catches up, and a slow viewer makes nobody wait."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import aiohttp
import asyncpg
import pytest
from aiohttp._websocket.reader import WebSocketDataQueue, WebSocketReader

from dispatch.board import feed as feed_module
from dispatch.board import viewer as viewer_module
from dispatch.board.frames import Frame
from dispatch.board.sessions import TRUSTED_FOR_S
from dispatch.board.streams import SESSION_CHECKED_EVERY_S, SIGNED_OUT
from dispatch.board.viewer import FRAMES_MAX, Viewer
from dispatch.clock import limit
from dispatch.model import WorkerId

from .conftest import WITHIN_S, Room, Stream

Cards = dict[str, dict[str, Any]]


class Page:
    """What a board's page does with its frames."""

    def __init__(self, stream: Stream, snapshot: dict[str, Any] | None = None) -> None:
        self.stream = stream
        self.seq = 0
        self.incidents: Cards = {}
        self.workers: Cards = {}
        if snapshot is not None:
            self._take(snapshot)

    def _take(self, part: dict[str, Any]) -> None:
        self.seq = part["seq"]
        self.incidents |= {card["incident_id"]: card for card in part["incidents"]}
        self.workers |= {card["worker_id"]: card for card in part["workers"]}

    async def read(self) -> dict[str, Any]:
        """Take one frame; a delta that does not follow what is known is a fault."""
        frame = await self.stream.next()
        if frame["type"] == "snapshot":
            self._take(frame["board"])
        elif frame["type"] == "delta":
            assert frame["follows"] == self.seq
            self._take(frame)
        return frame

    async def see(self, incident_id: object, **fields: object) -> dict[str, Any]:
        """Read until the incident is as it should be."""
        async with limit(WITHIN_S):
            while True:
                card = self.incidents.get(str(incident_id), {})
                if card and all(card[name] == value for name, value in fields.items()):
                    return card
                await self.read()


async def open_page(room: Room, since: object = None, who: str = "li") -> Page:
    page = await room.operator(who)
    return Page(await page.stream("/stream" if since is None else f"/stream?since={since}"))


async def test_a_call_is_followed_from_press_to_close(room: Room) -> None:
    page = await open_page(room)
    assert (await page.read())["type"] == "snapshot"
    incident_id = await room.press()
    await page.see(incident_id, state="waiting")
    await room.assigner.step()
    card = await page.see(incident_id, state="offered")
    worker_id = card["assignments"][0]["worker_id"]
    assert page.workers[worker_id]["state"] == "offered"
    phone = await room.phone(worker_id)
    for tap, state in (("accept", "accepted"), ("depart", "en_route"), ("arrive", "on_scene")):
        await phone.post(f"/offers/{card['assignments'][0]['offer_id']}/{tap}")
        await page.see(incident_id, state=state)
        assert page.workers[worker_id]["state"] == state
    await phone.post(f"/offers/{card['assignments'][0]['offer_id']}/finish", {"outcome": "assisted"})
    await page.see(incident_id, state="waiting")
    assert page.workers[worker_id]["state"] == "free"
    await (await room.operator()).post(f"/incidents/{incident_id}/close", {"outcome": "assisted"})
    await page.see(incident_id, state="closed")


async def test_a_board_that_was_away_goes_on_where_it_was(room: Room) -> None:
    browser = await room.operator()
    before = await room.press()
    snapshot = await browser.get("/board")
    after = await room.press("T2")
    await (await room.phone("W4")).post("/worker/duty", {"is_on_duty": True})
    page = Page(await browser.stream(f"/stream?since={snapshot['seq']}"), snapshot)
    frame = await page.read()
    assert (frame["type"], frame["follows"]) == ("delta", snapshot["seq"])
    assert [card["incident_id"] for card in frame["incidents"]] == [str(after)]
    assert page.incidents.keys() == {str(before), str(after)}
    assert page.workers["W4"]["state"] == "free"


async def test_a_board_that_missed_nothing_gets_an_empty_frame(room: Room) -> None:
    browser = await room.operator()
    await room.press()
    snapshot = await browser.get("/board")
    frame = await (await browser.stream(f"/stream?since={snapshot['seq']}")).next()
    assert (frame["type"], frame["seq"], frame["incidents"]) == ("delta", snapshot["seq"], [])


async def test_a_number_too_old_or_of_another_database_gets_a_whole_picture(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "ENTRIES_MAX", 3)
    await room.offered()
    for since in (0, 10_000):
        frame = await (await open_page(room, since)).read()
        assert frame["type"] == "snapshot"
        assert len(frame["board"]["incidents"]) == 1


async def test_a_feed_left_far_behind_gives_everybody_a_whole_picture(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await open_page(room)
    await page.read()
    monkeypatch.setattr(feed_module, "ENTRIES_MAX", 2)
    async with room.board.feed._turn:  # the feed is held up while more happens than it would read
        incident_id, _ = await room.offered()
    frame = await page.stream.until(lambda frame: frame["type"] == "snapshot")
    assert [card["incident_id"] for card in frame["board"]["incidents"]] == [str(incident_id)]


async def test_a_board_resumes_after_every_cut_without_a_hole(room: Room) -> None:
    """Many presses while the page's link is cut again and again: in the end it knows what the database knows."""
    browser = await room.operator()
    page = Page(await browser.stream("/stream"))
    await page.read()
    for n in range(8):
        await room.press("T1", alarm_id=f"a{n}")
        if n % 2:
            await page.read()
        await page.stream.socket.close()
        page.stream = await browser.stream(f"/stream?since={page.seq}")
        await page.read()
    [card] = page.incidents.values()
    assert card["alarms"] == 8


async def test_duty_and_places_come_without_the_log(room: Room) -> None:
    page = await open_page(room)
    await page.read()
    phone = await room.phone("W4")
    await phone.post("/worker/duty", {"is_on_duty": True})
    frame = await page.stream.until(lambda frame: bool(frame.get("workers")))
    assert (frame["follows"], frame["workers"][0]["state"]) == (frame["seq"], "free")
    await phone.post("/worker/place", {"lat": 24.7, "lon": 118.2})
    await room.board.positions.step()
    await room.follow(2)
    frame = await page.stream.until(lambda frame: bool(frame.get("workers")))
    assert frame["workers"][0]["place"]["lat"] == 24.7


async def test_an_auditors_stream_is_masked(room: Room) -> None:
    page = await open_page(room, who="bureau")
    await page.read()
    incident_id = await room.press()
    card = await page.see(incident_id, state="waiting")
    assert card["people"][0]["name"] == "王**"


async def test_a_heartbeat_comes_every_five_seconds_and_stops_with_the_database(room: Room) -> None:
    page = await open_page(room)
    await page.read()
    for _ in range(2):
        await room.follow(5)
        await page.stream.until(lambda frame: frame["type"] == "heartbeat" and _is_now(room, frame))
    await room.fetch("ALTER TABLE incident_log RENAME TO away")
    viewer = Viewer(lambda: b"")
    room.board.feed._viewers[viewer] = False
    with pytest.raises(asyncpg.UndefinedTableError):
        await room.follow(20)
    assert not viewer._frames
    await room.fetch("ALTER TABLE away RENAME TO incident_log")
    await room.board.feed.step()
    assert await viewer.next() == b""  # after a fault in the middle everybody gets a whole new picture


def _is_now(room: Room, frame: dict[str, Any]) -> bool:
    return bool(frame["server_now"] == room.clock.now().isoformat().replace("+00:00", "Z"))


# --- slow viewers ----------------------------------------------------------------------------------------------------


async def test_a_viewer_that_cannot_keep_up_gets_one_fresh_picture() -> None:
    viewer = Viewer(lambda: b"picture")
    for n in range(FRAMES_MAX + 10):
        viewer.put(Frame(b"%d" % n))
    viewer.put(Frame(b"more"))
    assert await viewer.next() == b"picture"
    viewer.put(Frame(b"after"))
    assert await viewer.next() == b"after"
    for _ in range(3):
        viewer.put(Frame(b"x" * 900_000))
    assert await viewer.next() == b"picture"


async def test_an_idle_viewer_is_written_to_at_once_and_nothing_overtakes_what_waits() -> None:
    wire, takes = list[bytes](), True

    def write(frame: bytes) -> bool:
        if takes:
            wire.append(frame[2:])
        return takes

    viewer = Viewer(lambda: b"picture")
    viewer.put(Frame(b"before"))
    viewer.attach(write)
    viewer.put(Frame(b"first"))
    assert await viewer.next() == b"before"
    viewer.put(Frame(b"second"))  # what `next` gave is still on its way
    assert [await viewer.next(), await viewer.next()] == [b"first", b"second"]
    waiting = asyncio.ensure_future(viewer.next())
    await asyncio.sleep(0)
    viewer.put(Frame(b"third"))
    assert wire == [b"third"]
    takes = False
    viewer.put(Frame(b"fourth"))
    takes = True
    viewer.put(Frame(b"fifth"))
    assert [await waiting, await viewer.next()] == [b"fourth", b"fifth"]
    assert wire == [b"third"]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
async def test_a_frame_is_read_as_the_text_it_was_made_of(size: int) -> None:
    queue = WebSocketDataQueue(Mock(), 1 << 20, loop=asyncio.get_running_loop())
    WebSocketReader(queue, 1 << 20, False, True).feed_data(Frame(b"x" * size).wire)
    message = await queue.read()
    assert (message.type, len(message.data)) == (aiohttp.WSMsgType.TEXT, size)


async def test_a_viewer_that_reads_nothing_stops_nobody(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "FRAMES_MAX", 8)
    await room.fetch("UPDATE elder SET note = repeat('x', 60000) WHERE elder_id = 'E1'")
    slow = await (await room.operator("chen")).stream("/stream")
    slow.socket._reader._protocol.pause_reading()  # a tab that the browser has put to sleep
    page = await open_page(room)
    incident_id = await room.press()
    alarms, stalled = 1, next(iter(room.board.feed._viewers))
    while not stalled._is_behind:
        alarms += 1
        await room.press(alarm_id=f"a{alarms}")
        await page.see(incident_id, alarms=alarms)
    slow.socket._reader._protocol.resume_reading()
    late, frames = Page(slow), 0
    while late.incidents.get(str(incident_id), {}).get("alarms") != alarms:
        await late.read()
        frames += 1
    assert frames < alarms


# --- phones ----------------------------------------------------------------------------------------------------------


async def test_an_offer_appears_on_the_phone_and_goes_when_another_has_the_call(room: Room) -> None:
    phones = {worker_id: await room.phone(worker_id) for worker_id in ("W1", "W2", "W3")}
    streams = {worker_id: await phone.stream("/worker/stream") for worker_id, phone in phones.items()}
    for stream in streams.values():
        assert (await stream.next())["call"] is None
    _, offers = await room.offered()
    first, second = offers
    for worker_id in offers:
        frame = await streams[worker_id].until(lambda frame: bool(frame.get("call")))
        assert frame["call"]["offer_id"] == offers[worker_id]
    await phones[first].post(f"/offers/{offers[first]}/accept")
    await streams[first].until(lambda frame: bool(frame.get("call")) and frame["call"]["state"] == "accepted")
    frame = await streams[second].until(lambda frame: frame["type"] == "view" and frame["call"] is None)
    assert frame["ended"] == "answered"
    assert await room.board.show(WorkerId(first))
    assert not await room.board.show(WorkerId("W4"))


async def test_a_phone_says_its_place_on_the_stream_and_nonsense_harms_nothing(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = asyncio.Event()
    monkeypatch.setattr(room.board.positions, "_on_place", lambda *_said: heard.set())
    stream = await (await room.phone("W1")).stream("/worker/stream")
    await stream.next()
    for text in ("", "[]", '{"type":"place"}', '{"type":"place","lat":1e999,"lon":0}', "[" * 5000, '{"type":"dance"}'):
        await stream.socket.send_str(text)
    await stream.socket.send_str('{"type":"place","lat":24.9,"lon":118.2,"at":"2026-03-01T08:00:00Z"}')
    async with limit(WITHIN_S):
        await heard.wait()
    assert [position.place.lat for position in room.board.positions._unwritten.values()] == [24.9]


async def test_a_phone_hears_heartbeats(room: Room) -> None:
    stream = await (await room.phone("W1")).stream("/worker/stream")
    await stream.next()
    await room.follow(5)
    await stream.until(lambda frame: frame["type"] == "heartbeat" and _is_now(room, frame))


async def test_a_stream_that_fails_ends_and_does_not_look_alive(room: Room) -> None:
    page = await open_page(room)
    await page.read()
    viewer = next(iter(room.board.feed._viewers))
    viewer._write = None
    viewer.next = None  # type: ignore[assignment, method-assign]
    await room.press()
    async with limit(WITHIN_S):
        while (await page.stream.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert page.stream.socket.closed


async def test_a_stream_ends_with_its_session(room: Room) -> None:
    page = await open_page(room)
    await page.read()
    await room.fetch("DELETE FROM session")
    await room.clock.advance(SESSION_CHECKED_EVERY_S + TRUSTED_FOR_S)
    async with limit(WITHIN_S):
        while (message := await page.stream.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert message.data == SIGNED_OUT


async def test_stopping_closes_the_streams_politely(room: Room) -> None:
    page = await open_page(room)
    await page.read()
    await room.runner.cleanup()
    async with limit(WITHIN_S):
        while (message := await page.stream.socket.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
    assert message.data == aiohttp.WSCloseCode.GOING_AWAY
