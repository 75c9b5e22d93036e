"""What boards show and who stays signed in while the database is away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from dispatch.board.outage import OVER_SAID_TIMES, SAID_AGAIN_EVERY_S, Outage
from dispatch.board.outage_messages import PhoneCard, Unstored, UnstoredCard
from dispatch.board.sessions import REMEMBERED_FOR_S, TRUSTED_FOR_S
from dispatch.store.database import Database

from .conftest import START, Room

LINE = UnstoredCard(
    terminal_id="T1",
    kind="sos",
    band=0,
    presses=2,
    since_at=START,
    last_at=START,
    home_id="H1",
    address="松柏路1号502",
    phone="0592",
    people=(PhoneCard("王秀兰", "138"),),
    contacts=(PhoneCard("王芳", "139", "daughter"),),
)


class Turned:
    """What waits, as a test sets it."""

    def __init__(self) -> None:
        self.waits: Unstored | None = None

    def __call__(self, _now: datetime, _is_away: bool) -> Unstored | None:
        return self.waits


@contextmanager
def away(room: Room) -> Iterator[None]:
    """Nobody can ask the database meanwhile."""
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    parts: list[Any] = [room.board.feed, room.board.sessions]
    reached = [part._database for part in parts]
    for part in parts:
        part._database = nowhere
    yield
    for part, database in zip(parts, reached, strict=True):
        part._database = database


async def test_lines_are_said_at_once_again_now_and_then_and_their_end_more_than_once(room: Room) -> None:
    turned = Turned()
    outage = Outage(room.board.feed, room.clock, turned)
    page, auditor = await room.operator(), await room.enter(account="bureau")
    seen, masked = await page.stream("/stream"), await auditor.stream("/stream")
    turned.waits = Unstored(START, None, (LINE,), 1, 2, 3, 65_535)
    outage.step()
    said = await seen.next("unstored")
    assert (said["lines"][0]["people"], said["used"]) == ([{"name": "王秀兰", "phone": "138", "relation": ""}], 3)
    hidden = (await masked.next("unstored"))["lines"][0]
    assert (hidden["people"][0]["name"], hidden["people"][0]["phone"]) == ("王**", None)
    assert (hidden["contacts"], hidden["phone"]) == ([], None)
    assert "502" not in hidden["address"]

    outage.step()  # nothing new: nothing is said
    turned.waits = Unstored(START, None, (LINE,), 1, 2, 4, 65_535)
    outage.step()
    assert (await seen.next("unstored"))["used"] == 4
    room.leap_s(SAID_AGAIN_EVERY_S)
    outage.step()
    assert (await seen.next("unstored"))["used"] == 4

    turned.waits = None
    for _ in range(OVER_SAID_TIMES):
        outage.step()
        assert (await seen.next("unstored"))["lines"] == []
        room.leap_s(SAID_AGAIN_EVERY_S)
    turned.waits = Unstored(START, None, (LINE,), 1, 2, 5, 65_535)
    outage.step()
    assert (await seen.next("unstored"))["used"] == 5  # and nothing was said between


async def test_a_page_that_opens_while_the_database_is_away_gets_the_old_picture_and_is_told(room: Room) -> None:
    incident_id = await room.press()
    page = await room.operator()
    first = await page.stream("/stream")
    assert (await first.next())["type"] == "snapshot"
    with away(room):
        stream = await page.stream("/stream")
        snapshot = await stream.next()
        assert [card["incident_id"] for card in snapshot["board"]["incidents"]] == [str(incident_id)]
        room.board.outage.step()
        assert (await stream.next("unstored"))["away_since"] is not None
    await room.follow(1)
    room.board.outage.step()
    await stream.until(lambda frame: frame["type"] == "unstored" and frame["away_since"] is None)


async def test_a_first_page_during_an_outage_begins_empty_and_is_filled_afterwards(room: Room) -> None:
    incident_id = await room.press()
    page = await room.operator()
    await page.get("/session")
    with away(room):
        stream = await page.stream("/stream")
        assert (await stream.next())["board"]["incidents"] == []
    await room.follow(1)
    snapshot = await stream.next("snapshot")
    assert [card["incident_id"] for card in snapshot["board"]["incidents"]] == [str(incident_id)]


@pytest.mark.parametrize(
    ("later_s", "status"), [(TRUSTED_FOR_S + 1, 200), (600, 200), (TRUSTED_FOR_S + REMEMBERED_FOR_S + 1, 503)]
)
async def test_who_is_signed_in_stays_so_for_a_while(room: Room, later_s: float, status: int) -> None:
    page, stranger = await room.operator(), await room.operator("chen")
    await page.get("/session")
    room.board.sessions._trusted = {
        key: value for key, value in room.board.sessions._trusted.items() if value[1].account == "li"
    }
    with away(room):
        room.leap_s(later_s)
        assert (await page.ask("GET", "/session")).status == status
        assert (await stranger.ask("GET", "/session")).status == 503  # nobody knows who that is


async def test_who_signed_out_is_not_remembered(room: Room) -> None:
    page = await room.operator()
    await page.get("/session")
    await page.ask("DELETE", "/session")
    with away(room):
        assert (await page.ask("GET", "/session")).status in {401, 503}


async def test_only_boards_of_people_who_may_act_count_as_somebody_being_there(room: Room) -> None:
    auditor = await (await room.enter(account="bureau")).stream("/stream")
    await auditor.next()
    assert (len(room.board.feed), room.board.feed.acting) == (1, 0)
    operator = await (await room.operator()).stream("/stream")
    await operator.next()
    assert (len(room.board.feed), room.board.feed.acting) == (2, 1)
