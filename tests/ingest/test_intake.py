"""What one lane does with its messages when what they need is away, when one of them is bad, and when there are too
many.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from dispatch.clock import SystemClock
from dispatch.devices.kinds import Heard, Lane
from dispatch.ingest import Intake, Sinks, intake
from dispatch.ingest.uses import as_alarm, use_of
from dispatch.model import Alarm, Key, TerminalId, Unreadable, Vitals
from dispatch.mqtt import Message
from dispatch.mqtt import Unreadable as UnreadablePacket
from dispatch.store.database import away

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    import pytest


class Desk:
    """One intake, and a keeper that can be away, slow, or unable to keep one value."""

    def __init__(self, *, batch_max: int = 100, at_once: int = 1) -> None:
        self.kept: list[float | None] = []
        self.batches: list[int] = []
        self.parked: list[Unreadable] = []
        self.acknowledged: list[int | None] = []
        self.away = 0
        self.poison: float | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.changed = asyncio.Event()
        self.intake = Intake(
            Lane.VITALS,
            SystemClock(),
            self._keep,
            self._park,
            self._acknowledge,
            batch_max=batch_max,
            at_once=at_once,
        )

    async def _keep(self, heard: Sequence[Heard]) -> None:
        values = [each.heart_rate_bpm for each in heard if isinstance(each, Vitals)]
        self.batches.append(len(heard))
        self.changed.set()
        await self.may_go_on.wait()
        if self.away:
            self.away -= 1
            raise away(ConnectionRefusedError("as the store says it: with a reason"))
        if self.poison in values:
            raise ValueError(f"cannot keep {self.poison}")
        self.kept += values

    async def _park(self, unreadable: Sequence[Unreadable]) -> None:
        self.parked += unreadable

    def _acknowledge(self, done: Iterable[Message | UnreadablePacket]) -> None:
        self.acknowledged += [message.token for message in done]
        self.changed.set()

    def receive(self, *values: int, qos: int = 1) -> None:
        self.intake.receive(
            [
                Message("onekey/1/xm/t1/vitals", b'{"heart_rate_bpm": %d}' % value, qos, False, value if qos else None)
                for value in values
            ]
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Desk]:
        task = asyncio.create_task(self.intake.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until_acknowledged(self, count: int) -> None:
        while len(self.acknowledged) < count:
            self.changed.clear()
            await self.changed.wait()


async def test_all_is_kept_in_order_and_then_acknowledged() -> None:
    async with Desk(batch_max=30).running() as desk:
        desk.receive(*range(1, 101))
        await desk.until_acknowledged(100)
        assert desk.kept == desk.acknowledged == list(range(1, 101))
        assert desk.batches == [30, 30, 30, 10]
        assert desk.intake.counts.done == 100


async def test_while_the_keeper_is_away_nothing_is_acknowledged_and_then_all_is() -> None:
    desk = Desk()
    desk.away = 2
    async with desk.running():
        desk.receive(1, 2, 3)
        await desk.until_acknowledged(3)
        assert desk.batches == [3, 3, 3]
        assert desk.kept == [1, 2, 3]
        assert desk.parked == []


async def test_one_that_cannot_be_kept_is_parked_and_stops_no_other() -> None:
    desk = Desk()
    desk.poison = 37
    async with desk.running():
        desk.receive(*range(1, 101))
        await desk.until_acknowledged(100)
        assert desk.kept == [value for value in range(1, 101) if value != 37]
        assert sorted(token or 0 for token in desk.acknowledged) == list(range(1, 101))
        (parked,) = desk.parked
        assert (parked.reason, parked.payload, parked.terminal_id) == ("not_usable", b'{"heart_rate_bpm": 37}', "t1")
        assert "cannot keep 37" in parked.detail
        assert desk.intake.counts.set_aside == 1


async def test_what_can_not_even_be_parked_still_stops_no_other() -> None:
    desk = Desk()
    desk.poison = 2

    async def refuse(_unreadable: Sequence[Unreadable]) -> None:
        raise ValueError

    desk.intake._park = refuse
    async with desk.running():
        desk.receive(1, 2, 3)
        await desk.until_acknowledged(3)
        assert desk.kept == [1, 3]


async def test_batches_under_way_at_once_are_as_many_as_allowed() -> None:
    desk = Desk(batch_max=1, at_once=3)
    desk.may_go_on.clear()
    async with desk.running():
        desk.receive(*range(1, 9))
        while len(desk.batches) < 3:
            desk.changed.clear()
            await desk.changed.wait()
        assert desk.intake.waiting == 5
        desk.may_go_on.set()
        await desk.until_acknowledged(8)
        assert desk.kept == list(range(1, 9))


async def test_what_comes_while_a_batch_is_under_way_is_decoded_meanwhile_and_goes_together() -> None:
    desk = Desk(batch_max=1000)
    desk.may_go_on.clear()
    async with desk.running():
        desk.receive(1)
        await desk.changed.wait()
        desk.receive(*range(2, 352))
        for _ in range(5):  # turns of the loop, one for each slice and a few more
            await asyncio.sleep(0)
        assert len(desk.intake._decoded) == desk.intake.waiting == 350
        desk.may_go_on.set()
        await desk.until_acknowledged(351)
        assert desk.batches == [1, 350]
        assert desk.kept == list(range(1, 352))


async def test_what_is_under_way_at_the_end_is_not_acknowledged() -> None:
    desk = Desk()
    desk.may_go_on.clear()
    async with desk.running():
        desk.receive(1)
        await desk.changed.wait()
    assert desk.batches == [1]
    assert desk.acknowledged == []


async def test_beyond_all_measure_only_what_nobody_counts_on_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "UNCONFIRMED_MAX", 2)
    desk = Desk()
    desk.receive(1, 2, 3)
    desk.receive(4, 5, qos=0)
    desk.receive(6)
    assert desk.intake.waiting == 4
    assert desk.intake.counts.dropped == 2


async def test_batches_of_readings_are_stored_at_the_same_time_but_judged_as_they_came() -> None:
    judged: list[float | None] = []
    stored: list[int] = []
    may_go_on = asyncio.Event()

    def judge(readings: Sequence[Vitals]) -> list[Alarm]:
        judged.extend(each.heart_rate_bpm for each in readings)
        return []

    async def keep(readings: Sequence[Vitals]) -> None:
        stored.append(len(readings))
        await may_go_on.wait()

    async def never(*_: object) -> Any:
        raise AssertionError

    now = datetime(2026, 3, 1, tzinfo=UTC)
    readings = [Vitals(TerminalId("t1"), now, heart_rate_bpm=value) for value in range(1_203)]
    use = use_of(Lane.VITALS, Sinks(never, never, judge, keep, never, never), SystemClock())
    both = asyncio.gather(use(readings[:1_200]), use(readings[1_200:]))
    while len(stored) < 2:
        await asyncio.wait([both], timeout=0)
    assert judged == list(range(1_203))
    assert stored == [1_200, 3]
    may_go_on.set()
    await both


# --- packets and payloads nobody can read


async def test_a_packet_nobody_could_read_says_at_least_whose_it_was() -> None:
    desk = Desk()
    heard: list[Heard] = []

    async def note(everything: Sequence[Heard]) -> None:
        heard.extend(everything)

    desk.intake._use = note
    async with desk.running():
        desk.intake.receive_unreadable(UnreadablePacket(b"\x32...", "ValueError: x", 7, "onekey/1/xm/t9/alarm"))
        desk.intake.receive_unreadable(UnreadablePacket(b"\x32...", "ValueError: x", 8, "onekey/\ufffd"))
        await desk.until_acknowledged(2)
        assert [each.terminal_id for each in heard] == ["t9", None]
        assert desk.acknowledged == [7, 8]
        first = heard[0]
        assert isinstance(first, Unreadable)
        assert (first.reason, first.payload) == ("packet_unreadable", b"\x32...")
        call = as_alarm(first)
        assert isinstance(call, Alarm)
        assert (call.key, call.flaws, call.terminal_id) == (Key.UNREADABLE, ("packet_unreadable",), "t9")


def unreadable_alarm(seconds: int, payload: bytes = b"?") -> Alarm:
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    call = as_alarm(Unreadable(TerminalId("t1"), "onekey/1/xm/t1/alarm", payload, "not_json", "", at))
    assert call is not None
    return call


def test_the_same_unreadable_bytes_are_a_repeat_for_a_while_and_then_a_new_call() -> None:
    assert unreadable_alarm(0).digest == unreadable_alarm(60).digest
    assert unreadable_alarm(0).digest != unreadable_alarm(60, b"!").digest
    assert unreadable_alarm(0).digest != unreadable_alarm(3600).digest


def test_nobody_calls_where_nobody_is_named() -> None:
    assert as_alarm(Unreadable(None, "", b"", "packet_unreadable", "", SystemClock().now())) is None


def pressed(token: int, alarm_id: str = "a1") -> Message:
    return Message("onekey/1/xm/t1/alarm", b'{"id": "%s", "key": "sos"}' % alarm_id.encode(), 1, False, token)


async def test_a_press_said_again_while_it_is_not_safe_is_that_press() -> None:
    desk = Desk()
    desk.may_go_on.clear()
    async with desk.running():
        desk.intake.receive([pressed(1), pressed(2)])
        await desk.changed.wait()
        desk.intake.receive([pressed(3), pressed(4, "a2"), pressed(5)])
        desk.may_go_on.set()
        await desk.until_acknowledged(5)
        assert desk.batches == [1, 1]
        assert desk.acknowledged == [1, 2, 3, 5, 4]
        assert (desk.intake.counts.done, desk.intake.counts.repeats) == (5, 3)
        desk.intake.receive([pressed(6)])  # its terminal has not heard the receipt: somebody must say it again
        await desk.until_acknowledged(6)
        assert desk.batches == [1, 1, 1]


async def test_a_press_that_was_under_way_when_the_lane_broke_is_taken_up_when_it_comes_again() -> None:
    desk = Desk()
    desk.may_go_on.clear()
    async with desk.running():
        desk.intake.receive([pressed(1)])
        await desk.changed.wait()
    desk.may_go_on.set()
    async with desk.running():
        desk.intake.receive([pressed(2)])
        await desk.until_acknowledged(1)
    assert desk.acknowledged == [2]
    assert desk.batches == [1, 1]
