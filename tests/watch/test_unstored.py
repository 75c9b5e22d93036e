"""What waits to be stored, folded by terminal, and whom to phone about it from memory."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dispatch.clock import VirtualClock
from dispatch.incident.policy import Policies
from dispatch.model import Alarm, HomeId, Key, TerminalId, Unreadable
from dispatch.store.database import Database
from dispatch.watch import HomesInMemory, HomeTold, Unstored
from dispatch.watch.homes import BLOCK, PAGE, Person
from dispatch.watch.unstored import LINES_MAX, LOOKED_AT_MAX, LOOKED_UP_AT_ONCE
from tests.engine.conftest import START, policies

__all__ = ["policies"]

TOLD = HomeTold(HomeId("H1"), "1 Pine Lane", None, (Person("Wang", "138"),), ())
REGISTER = """
INSERT INTO station VALUES ('S1', 'Station One', 24.480, 118.100);
INSERT INTO home (home_id, address, station_id)
    SELECT 'H' || n, n || ' Pine Lane', 'S1' FROM generate_series(1, {n}) AS n;
INSERT INTO elder (elder_id, name, phone) SELECT 'E' || n, '王' || n, '138' || n FROM generate_series(1, {n}) AS n;
INSERT INTO resident SELECT 'H' || n, 'E' || n, '2020-01-01', NULL FROM generate_series(1, {n}) AS n;
INSERT INTO contact VALUES ('H7', 2, 'Son', 'son', '139', false), ('H7', 1, 'Daughter', 'daughter', '137', true);
INSERT INTO terminal (terminal_id, phone)
    SELECT 'T' || n, CASE WHEN n = 7 THEN '0592' END FROM generate_series(1, {n}) AS n;
INSERT INTO terminal_home SELECT 'T' || n, 'H' || n, NULL, '2026-01-01', NULL FROM generate_series(1, {n}) AS n;
"""


def alarm(
    terminal: str = "T1", alarm_id: str = "a1", key: Key = Key.SOS, *, late_s: float = 0, **more: object
) -> Alarm:
    at = START + timedelta(seconds=late_s)
    return Alarm(TerminalId(terminal), alarm_id, key, at, alarm_id.encode(), **more)  # type: ignore[arg-type]


def ledger(policies: Policies, known: HomeTold | None = TOLD) -> Unstored:
    return Unstored(policies, lambda _: known)


def test_repeats_of_one_home_are_one_line_and_the_gravest_key_is_shown(policies: Policies) -> None:
    unstored = ledger(policies)
    unstored.heard([alarm(), alarm(late_s=1), alarm(late_s=3), alarm("T2", key=Key.CONSULT, late_s=4)])
    unstored.heard([alarm("T2", "a2", Key.FALL, late_s=5), alarm("T1", "a2", Key.SERVICE, late_s=6)])
    waiting = unstored.look(START + timedelta(seconds=9), is_away=True)
    assert (waiting.terminals, waiting.presses) == (2, 4)
    first, second = waiting.lines
    assert (first.terminal_id, first.key, first.presses, first.messages) == ("T1", Key.SOS, 2, 4)
    assert first.last_at - first.since_at == timedelta(seconds=6)
    assert (second.key, second.band, second.home) == (Key.FALL, 0, TOLD)


def test_a_line_goes_when_every_message_of_it_is_safe(policies: Policies) -> None:
    unstored = ledger(policies)
    unstored.heard([alarm(), alarm(), alarm("T1", "a2")])
    unstored.settled([alarm()])
    unstored.settled([alarm("T1", "a2")])
    assert unstored.look(START, is_away=True).presses == 1
    unstored.settled([alarm()])
    assert not len(unstored)
    assert unstored.look(START, is_away=True).lines == ()
    unstored.settled([alarm()])  # of another connection: nothing to take away


def test_while_the_database_answers_only_what_waits_too_long_is_shown(policies: Policies) -> None:
    unstored = ledger(policies)
    unstored.heard([alarm()])
    soon = START + timedelta(seconds=0.9)
    assert unstored.look(soon, is_away=False).lines == ()
    assert len(unstored.look(soon, is_away=True).lines) == 1
    assert len(unstored.look(START + timedelta(seconds=1), is_away=False).lines) == 1


def test_tests_and_cancels_are_no_calls_and_garbage_is_one_only_from_our_own(policies: Policies) -> None:
    garbage = Unreadable(TerminalId("T9"), "t", b"?", "not_json", "", START)
    for known, lines in ((TOLD, 1), (None, 0)):
        unstored = ledger(policies, known)
        unstored.heard([alarm(is_test=True), alarm("T2", cancel_of="a1"), garbage])
        assert len(unstored.look(START, is_away=True).lines) == lines
        unstored.settled([alarm(is_test=True), alarm("T2", cancel_of="a1"), garbage])
        assert not len(unstored)


def test_a_flood_is_cut_to_the_gravest_and_looked_up_little_by_little(policies: Policies) -> None:
    asked: list[str] = []

    def find(terminal_id: TerminalId) -> HomeTold:
        asked.append(terminal_id)
        return TOLD

    unstored = Unstored(policies, find)
    unstored.heard(alarm(f"T{n}", key=Key.SERVICE) for n in range(2000))
    unstored.heard([alarm("grave", key=Key.FIRE, late_s=1)])
    waiting = unstored.look(START + timedelta(seconds=5), is_away=False)
    assert (len(waiting.lines), waiting.terminals, waiting.lines[0].terminal_id) == (LINES_MAX, 2001, "grave")
    assert len(asked) == LOOKED_UP_AT_ONCE
    for _ in range(LINES_MAX // LOOKED_UP_AT_ONCE):
        waiting = unstored.look(START + timedelta(seconds=5), is_away=False)
    assert all(line.home for line in waiting.lines)
    assert len(asked) == len(set(asked)) == LINES_MAX


def test_of_more_than_anybody_can_phone_the_rest_are_counted(policies: Policies) -> None:
    unstored = ledger(policies)
    unstored.heard(alarm(f"T{n}") for n in range(LOOKED_AT_MAX + 70))
    waiting = unstored.look(START, is_away=True)
    assert (len(waiting.lines), waiting.terminals, waiting.presses) == (LINES_MAX, *[LOOKED_AT_MAX + 70] * 2)
    assert waiting.lines[0].terminal_id == "T0"


async def test_every_home_is_found_in_memory_with_its_numbers(dsn: str) -> None:
    homes_there = PAGE + 2 * BLOCK + 7
    clock, database = VirtualClock(START), Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER.format(n=homes_there))
    homes = HomesInMemory(database, clock)
    await _drive(homes, clock)
    assert len(homes) == homes_there
    told = {n: homes.find(TerminalId(f"T{n}")) for n in range(1, homes_there + 1)}
    assert all(each is not None and each.address == f"{n} Pine Lane" for n, each in told.items())
    seventh = told[7]
    assert seventh is not None
    assert (seventh.home_id, seventh.phone, seventh.people) == ("H7", "0592", (Person("王7", "1387"),))
    assert [(each.name, each.relation, each.phone) for each in seventh.contacts] == [
        ("Daughter", "daughter", "137"),
        ("Son", "son", "139"),
    ]
    assert homes.find(TerminalId("T99999")) is None
    assert homes.size_bytes < 100 * homes_there

    async with database.connection() as connection:
        await connection.execute("UPDATE home SET address = 'moved' WHERE home_id = 'H7'")
        await connection.execute("UPDATE terminal_home SET until = '2026-02-01' WHERE terminal_id = 'T8'")
    await _drive(homes, clock)
    assert (homes.find(TerminalId("T7")) or TOLD).address == "moved"
    assert homes.find(TerminalId("T8")) is None
    await database.close()


async def _drive(homes: HomesInMemory, clock: VirtualClock) -> None:
    """One round of reading, whatever rests it takes."""
    reading = asyncio.ensure_future(homes.read())
    while not reading.done():
        await clock.advance(600)
        await asyncio.wait([reading], timeout=0.01)
    reading.result()
