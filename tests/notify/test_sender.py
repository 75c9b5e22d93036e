"""The Sender: in order for each recipient, at least once, over crashes; what is worth nothing any more is void."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.clock import VirtualClock
from dispatch.engine import Committed
from dispatch.model import AssignmentId
from dispatch.notify.channels import Answer, GiveUp, Retry, Sent
from dispatch.notify.sender import Sender
from dispatch.store import outbox
from dispatch.store.database import Database
from dispatch.store.outbox import Finished, OutboxMessage
from dispatch.store.writes import Writes

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Wire:
    """A channel that answers as it is told, and remembers what it has sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.answer: Callable[[OutboxMessage], Answer] = lambda _message: Sent()

    async def send(self, message: OutboxMessage) -> Answer:
        answer = self.answer(message)
        if isinstance(answer, Sent):
            self.sent.append(f"{message.recipient}:{message.body.decode()}")
        return answer


class Office:
    """A Sender on a real database and virtual time, that can be ended and begun anew."""

    def __init__(self, dsn: str) -> None:
        self.clock = VirtualClock(START)
        self.database = Database(dsn)
        self.wire = Wire()
        self.sender = self.begin()

    def begin(self) -> Sender:
        self.sender = Sender(self.database, self.clock, {"wire": self.wire})
        return self.sender

    def message(
        self, recipient: str, body: int, name: str = "receipt", life_s: float = 60, **more: Any
    ) -> OutboxMessage:
        return OutboxMessage(
            id=self.clock.new_id(),
            channel=more.pop("channel", "wire"),
            recipient=recipient,
            message=name,
            incident_id=None,
            offer_id=more.pop("offer_id", None),
            body=str(body).encode(),
            created_at=self.clock.now(),
            expires_at=self.clock.now() + timedelta(seconds=life_s),
        )

    async def commit(self, *messages: OutboxMessage, heard: bool = True) -> None:
        """Write messages as a deciding commit does; `heard` False: the process died before it could tell anybody."""
        async with self.database.transaction() as connection:
            writes = Writes()
            outbox.add(writes, messages)
            await writes.execute(connection)
        if heard:
            self.sender.on_committed(Committed(self.clock.now(), (), messages, 1, 0.0))
            await self.turn()

    async def turn(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def pass_by(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            await self.clock.advance(0.25)
            await self.turn()

    async def states(self) -> list[tuple[str, str | None]]:
        await self.sender.note_finished()
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT state, reason FROM outbox ORDER BY outbox_id")
        return [(row["state"], row["reason"]) for row in rows]


@pytest.fixture
async def office(dsn: str) -> AsyncIterator[Office]:
    opened = Office(dsn)
    yield opened
    await opened.sender.stop()
    await opened.database.close()


async def test_messages_go_out_at_once_and_are_noted(office: Office) -> None:
    await office.sender.catch_up()
    await office.commit(office.message("t1", 1), office.message("t1", 2), office.message("t2", 1))
    assert sorted(office.wire.sent) == ["t1:1", "t1:2", "t2:1"]
    assert await office.states() == [("sent", None)] * 3


class EagerWire(Wire):
    """A channel that hands over before `send` returns, as the terminals' does; or raises there."""

    def send(self, message: OutboxMessage) -> Awaitable[Answer]:  # type: ignore[override]
        answer = self.answer(message)
        self.sent.append(f"{message.recipient}:{message.body.decode()}")

        async def waited() -> Answer:
            return answer

        return waited()


async def test_what_a_channel_does_without_waiting_is_done_before_anybody_else_hears_of_the_commit(
    office: Office,
) -> None:
    office.wire = EagerWire()
    await office.begin().catch_up()
    messages = [office.message("t1", 1), office.message("t1", 2), office.message("t2", 1)]
    await office.commit(*messages, heard=False)
    office.sender.on_committed(Committed(office.clock.now(), (), messages, 1, 0.0))
    assert office.wire.sent == ["t1:1", "t2:1"], "each recipient's first; the second waits for the first"
    await office.turn()
    assert office.wire.sent == ["t1:1", "t2:1", "t1:2"]
    assert await office.states() == [("sent", None)] * 3


async def test_what_was_begun_and_never_heard_of_again_stays_in_the_outbox(office: Office) -> None:
    office.wire = EagerWire()
    await office.begin().catch_up()
    message = office.message("t1", 1)
    await office.commit(message, heard=False)
    office.sender.on_committed(Committed(office.clock.now(), (), [message], 1, 0.0))
    await office.sender.stop()
    assert await office.states() == [("queued", None)]
    await office.begin().catch_up()
    await office.turn()
    assert office.wire.sent == ["t1:1", "t1:1"], "at least once"


async def test_an_offer_taken_back_in_the_same_commit_is_not_sent(office: Office) -> None:
    await office.sender.catch_up()
    offer_id = AssignmentId(office.clock.new_id())
    offer = office.message("w1", 1, "offer", offer_id=offer_id)
    await office.commit(offer, office.message("w1", 2, "withdraw", offer_id=offer_id))
    assert office.wire.sent == ["w1:2"]
    assert await office.states() == [("void", "withdrawn"), ("sent", None)]


async def test_a_channel_that_raises_before_it_waits_is_asked_again(office: Office) -> None:
    office.wire = EagerWire()

    def broken(_message: OutboxMessage) -> Answer:
        raise ValueError("loose")

    office.wire.answer = broken
    await office.begin().catch_up()
    await office.commit(office.message("t1", 1), office.message("t2", 1))
    assert office.wire.sent == []
    office.wire.answer = lambda _message: Sent()
    await office.pass_by(2)
    assert sorted(office.wire.sent) == ["t1:1", "t2:1"]


async def test_a_recipient_that_is_away_holds_up_nobody_else_and_keeps_its_order(office: Office) -> None:
    await office.sender.catch_up()
    office.wire.answer = lambda message: Retry("away") if message.recipient == "t1" else Sent()
    await office.commit(office.message("t1", 1), office.message("t1", 2), office.message("t2", 1))
    await office.pass_by(2)
    assert office.wire.sent == ["t2:1"]
    office.wire.answer = lambda _message: Sent()
    await office.pass_by(6)
    assert office.wire.sent == ["t2:1", "t1:1", "t1:2"]


async def test_what_a_dead_process_left_goes_out_before_anything_newer(office: Office) -> None:
    await office.commit(office.message("t1", 1), heard=False)
    await office.clock.advance(0.1)
    office.begin()
    await office.commit(office.message("t1", 2))
    assert office.wire.sent == [], "what was left is not known yet"
    await office.sender.catch_up()
    await office.turn()
    assert office.wire.sent == ["t1:1", "t1:2"]


async def test_what_a_process_whose_clock_was_ahead_left_goes_out_before_anything_newer(office: Office) -> None:
    here = office.clock
    office.clock = VirtualClock(START + timedelta(seconds=1), seed=2)
    await office.commit(office.message("t1", 1), heard=False)
    office.clock = here
    office.begin()
    await office.commit(office.message("t1", 2))
    await office.sender.catch_up()
    await office.turn()
    assert office.wire.sent == ["t1:1", "t1:2"]


async def test_what_a_commit_of_unknown_outcome_decided_goes_out_before_anything_newer(office: Office) -> None:
    await office.sender.catch_up()
    await office.commit(office.message("t1", 1), heard=False)
    office.sender.look_again()
    await office.commit(office.message("t1", 2))
    assert office.wire.sent == [], "what the other commit decided is not known yet"
    await office.sender.catch_up()
    await office.turn()
    assert office.wire.sent == ["t1:1", "t1:2"]


async def test_a_commit_of_unknown_outcome_while_what_was_left_is_read_is_read_as_well(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = outbox.queued

    async def read_too_early(connection: Any, before: datetime, limit: int) -> list[OutboxMessage]:
        monkeypatch.setattr(outbox, "queued", read)
        left = await read(connection, before, limit)
        await office.commit(office.message("t1", 1), heard=False)
        office.sender.look_again()
        await office.commit(office.message("t1", 2))
        return left

    monkeypatch.setattr(outbox, "queued", read_too_early)
    await office.sender.catch_up()
    await office.turn()
    assert office.wire.sent == ["t1:1", "t1:2"]


async def test_what_another_process_committed_is_found_a_while_later(office: Office) -> None:
    await office.sender.catch_up()
    await office.commit(office.message("t1", 1), heard=False)
    assert await office.sender.recover() == 0, "its own process may be sending it now"
    await office.clock.advance(4)
    assert await office.sender.recover() == 1
    await office.turn()
    assert office.wire.sent == ["t1:1"]
    assert await office.sender.recover() == 0


async def test_a_message_is_void_when_its_life_is_over(office: Office) -> None:
    await office.sender.catch_up()
    office.wire.answer = lambda _message: Retry("no_page_open")
    await office.commit(office.message("w1", 1, life_s=3))
    await office.pass_by(10)
    assert await office.states() == [("void", "expired")]


async def test_an_offer_that_was_taken_back_before_it_was_seen_is_not_shown(office: Office) -> None:
    await office.sender.catch_up()
    office.wire.answer = lambda _message: Retry("no_page_open")
    offer_id = AssignmentId(office.clock.new_id())
    await office.commit(office.message("w1", 1, "offer", offer_id=offer_id))
    await office.commit(office.message("w1", 2, "withdraw", offer_id=offer_id))
    office.wire.answer = lambda _message: Sent()
    await office.pass_by(6)
    assert office.wire.sent == ["w1:2"]
    assert await office.states() == [("void", "withdrawn"), ("sent", None)]


async def test_a_channel_that_gives_up_or_is_unknown_is_recorded_as_failed(office: Office) -> None:
    await office.sender.catch_up()
    office.wire.answer = lambda _message: GiveUp("no_channel")
    await office.commit(office.message("c1", 1), office.message("c2", 1, channel="pigeon"))
    assert await office.states() == [("failed", "no_channel"), ("failed", "no_such_channel")]


async def test_a_channel_that_breaks_is_tried_again(office: Office) -> None:
    await office.sender.catch_up()
    tries = iter([RuntimeError("broken"), None])

    def answer(_message: OutboxMessage) -> Answer:
        problem = next(tries)
        if problem is not None:
            raise problem
        return Sent()

    office.wire.answer = answer
    await office.commit(office.message("t1", 1))
    await office.pass_by(2)
    assert office.wire.sent == ["t1:1"]


async def test_who_no_longer_leads_sends_nothing(office: Office) -> None:
    leads = False
    office.sender = Sender(office.database, office.clock, {"wire": office.wire}, lambda: leads)
    await office.sender.catch_up()
    await office.commit(office.message("t1", 1))
    await office.pass_by(5)
    assert office.wire.sent == []
    leads = True
    await office.pass_by(6)
    assert office.wire.sent == ["t1:1"]


async def test_a_listener_that_fails_holds_up_no_later_message(office: Office) -> None:
    def fail(_message: OutboxMessage, _finished: Finished) -> None:
        raise ZeroDivisionError

    office.sender = Sender(office.database, office.clock, {"wire": office.wire}, on_finished=fail)
    await office.sender.catch_up()
    await office.commit(office.message("t1", 1), office.message("t1", 2))
    assert office.wire.sent == ["t1:1", "t1:2"]
    assert await office.states() == [("sent", None)] * 2
