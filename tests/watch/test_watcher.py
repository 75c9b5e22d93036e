"""The watcher on a real database and a virtual clock: what it finds, and what stands of it as incidents."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from dispatch.clock import VirtualClock, limit
from dispatch.engine import Engine
from dispatch.errors import Unreachable
from dispatch.incident import events as ev
from dispatch.incident.policy import Policies
from dispatch.model import Alarm, IncidentId, Key, TerminalId
from dispatch.store import audit
from dispatch.store.database import Database
from dispatch.watch import Limits, Rooms, Troubles, Watcher
from tests.engine.conftest import REGISTER, START, policies

__all__ = ["policies"]

STANDING = "SELECT kind FROM incident WHERE closed_at IS NULL AND incident_class = 'centre' ORDER BY kind"


@dataclass
class Post:
    """A watcher with its engine, and what a test may turn."""

    database: Database
    clock: VirtualClock
    engine: Engine
    watcher: Watcher
    boards: int = 1
    canary: dict[str, Any] | None = None

    async def fetch(self, query: str, *args: object) -> list[Any]:
        async with self.database.connection() as connection:
            rows = await connection.fetch(query, *args)
        return [row[0] if len(row) == 1 else tuple(row) for row in rows]

    async def do(self, query: str) -> None:
        async with self.database.connection() as connection:
            await connection.execute(query)

    async def look(self, seconds: int = 1) -> None:
        """Look each second, as the loop does."""
        for _ in range(seconds):
            await self.clock.advance(1)
            await self.watcher.look()

    async def press(self, terminal: str = "T1", key: Key = Key.SOS) -> IncidentId:
        digest = hashlib.sha256(f"{terminal}{key}".encode()).digest()
        [outcome] = await self.engine.raise_alarms([Alarm(TerminalId(terminal), "a1", key, self.clock.now(), digest)])
        assert outcome.incident is not None
        return outcome.incident.id


@pytest_asyncio.fixture
async def post(dsn: str, policies: Policies) -> AsyncIterator[Post]:
    clock, database = VirtualClock(START, seed=1), Database(dsn)
    async with database.connection() as connection:
        await connection.execute(REGISTER)
        await connection.execute("INSERT INTO lease VALUES (1, 'tests', 1, $1)", START)
    engine = Engine(database, clock, policies, term=lambda: 1)
    await engine.prepare()
    rooms = Rooms(database, clock, "one", lambda: made.boards)
    limits = Limits(no_board_after_s=60, nobody_answers_after_s=180)
    watcher = Watcher(database, clock, Troubles(engine, clock, "c1"), rooms, limits, lambda: made.canary)
    made = Post(database, clock, engine, watcher)
    committing = asyncio.create_task(engine.run())
    yield made
    committing.cancel()
    await asyncio.gather(committing, return_exceptions=True)
    await database.close()


async def test_a_quiet_centre_and_one_whose_clocks_fire_are_happy(post: Post) -> None:
    await post.look(3)
    incident_id = await post.press()
    await post.look(59)
    await post.clock.advance(1)  # the answer clock runs out just now
    await post.watcher.look()
    assert not post.watcher.verdict.codes  # a second is what we promise
    await post.engine.fire_due([incident_id])
    await post.look(5)
    assert not post.watcher.verdict.codes
    assert post.watcher.missing() == {}
    assert await post.fetch(STANDING) == []


async def test_a_clock_that_does_not_fire_is_an_incident_until_it_has(post: Post) -> None:
    incident_id = await post.press()
    await post.look(61)
    assert not post.watcher.verdict.codes
    await post.look(1)  # 62 s after the press nobody has fired what was due after 60
    assert post.watcher.verdict.codes == ("unfired",)
    assert "auditor" in post.watcher.missing()
    assert await post.fetch(STANDING) == []  # one look may be a moment of a flood
    await post.look(1)
    assert await post.fetch(STANDING) == ["auditor"]
    assert post.watcher.troubles == ("auditor",)
    await post.look(5)
    assert await post.fetch("SELECT count(*) FROM incident_log WHERE code = 'service_said'") == [0]  # said once

    await post.engine.fire_due([incident_id])
    await post.look(1)
    assert post.watcher.missing() == {}
    await post.look(11)
    assert await post.fetch(STANDING) == []
    assert await post.fetch("SELECT state, outcome FROM incident WHERE kind = 'auditor'") == [("closed", "passed")]


async def test_a_call_whose_stored_deadline_is_not_its_clocks_is_found(post: Post) -> None:
    incident_id = await post.press()
    await post.look(1)
    await post.do("UPDATE incident SET due_at = due_at + interval '1 hour'")
    await post.look(4)
    assert not post.watcher.verdict.codes
    await post.look(2)  # every open call is read each five seconds
    assert post.watcher.verdict.codes == ("astray",)
    assert str(incident_id) in post.watcher.missing()["auditor"]


async def test_an_assignments_clock_is_the_calls_as_well(post: Post) -> None:
    incident_id = await post.press()
    picks = (ev.Pick(post.clock.new_id(), "W1", 60), ev.Pick(post.clock.new_id(), "W2", 60))  # type: ignore[arg-type]
    await post.engine.happen(incident_id, ev.WorkersChosen(picks))
    await post.look(11)
    assert not post.watcher.verdict.codes
    await post.do("UPDATE assignment SET due_at = due_at - interval '5 s' WHERE worker_id = 'W2'")
    await post.look(11)
    assert post.watcher.verdict.codes == ("astray",)


async def test_what_ran_out_while_nobody_could_fire_it_is_not_late_at_once(post: Post) -> None:
    await post.press()
    await post.clock.advance(3600)  # we were dead, or the database was away
    post.watcher.begin()
    await post.watcher.look()
    assert not post.watcher.verdict.codes
    await post.look(2)
    assert post.watcher.verdict.codes == ("unfired",)


async def test_while_the_database_is_away_nobody_can_fire_and_afterwards_there_is_time(post: Post, dsn: str) -> None:
    await post.press()
    reached = post.watcher._database
    post.watcher._database = Database(dsn.rpartition("/")[0] + "/nowhere")
    watching = asyncio.create_task(post.watcher.run())
    while not post.watcher.is_away:
        await asyncio.wait([watching], timeout=0.01)
    await post.clock.advance(120)
    assert post.watcher.missing() == {}  # the database is what is missing, and says so by itself
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    post.watcher._database = reached
    await post.watcher.look()
    assert not post.watcher.verdict.codes


async def test_an_auditor_that_does_not_look_is_none(post: Post) -> None:
    await post.look(1)
    await post.clock.advance(6)
    assert post.watcher.missing() == {}  # a virtual clock ran ahead
    post.watcher._looked_real_s -= 6
    assert post.watcher.missing() == {"auditor": "not_looked"}
    await post.look(1)
    assert post.watcher.missing() == {}


async def test_a_silent_canary_is_an_incident_even_if_the_database_cannot_keep_it(post: Post) -> None:
    post.canary = {"missed": 2}
    await post.look(1)
    assert await post.fetch(STANDING) == ["canary"]
    assert post.watcher.missing() == {"canary": "missed 2"}
    post.canary = None
    await post.look(2)
    assert await post.fetch(STANDING) == []

    post.canary = {"missed": 3}
    post.watcher._database = Database("postgresql://nobody@127.0.0.1:1/nowhere")
    with contextlib.suppress(Unreachable):
        await post.watcher.look()
    assert post.watcher.troubles == ("canary",)


async def test_a_centre_without_a_board_is_an_incident_until_somebody_looks(post: Post) -> None:
    post.boards = 0
    await post.look(55)
    assert await post.fetch(STANDING) == []
    await post.look(15)
    assert await post.fetch(STANDING) == ["no_board"]
    assert post.watcher.missing() == {}  # this process can do its work
    post.boards = 1
    await post.look(10)
    assert await post.fetch(STANDING) == []


async def test_a_board_at_another_process_is_a_board(post: Post) -> None:
    post.boards = 0
    for _ in range(20):
        async with post.database.connection() as connection:
            await audit.say_boards(connection, "two", 1)
        await post.look(5)
    assert await post.fetch(STANDING) == []
    await post.look(95)  # that process has died, or its last board was closed
    assert await post.fetch(STANDING) == ["no_board"]


async def test_nobody_answers_while_grave_calls_wait(post: Post) -> None:
    incident_id = await post.press()
    await post.press("T2", Key.SERVICE)
    await post.look(175)
    assert "nobody_answers" not in await post.fetch(STANDING)
    await post.look(20)
    assert "nobody_answers" in await post.fetch(STANDING)
    await post.engine.happen(incident_id, ev.OperatorAnswered("li"))
    await post.look(10)
    assert "nobody_answers" not in await post.fetch(STANDING)


async def test_a_flood_in_which_somebody_answers_is_not_a_silent_room(post: Post) -> None:
    first, _ = await post.press("T1"), await post.press("T2")
    await post.look(100)
    await post.engine.happen(first, ev.OperatorAnswered("li"))
    await post.engine.happen(first, ev.Closed("li", "assisted"))
    await post.look(170)
    assert "nobody_answers" not in await post.fetch(STANDING)
    await post.look(20)
    assert "nobody_answers" in await post.fetch(STANDING)


async def test_a_trouble_that_a_person_closed_is_not_opened_again_at_once(post: Post) -> None:
    post.canary = {"missed": 2}
    await post.look(1)
    [incident_id] = await post.fetch("SELECT incident_id FROM incident WHERE kind = 'canary'")
    await post.engine.happen(incident_id, ev.Closed("li", "false_alarm"))
    await post.look(60)
    assert "canary" not in await post.fetch(STANDING)
    await post.look(560)
    assert "canary" in await post.fetch(STANDING)


async def test_a_restart_finds_what_stands_and_closes_what_has_passed(post: Post) -> None:
    post.canary = {"missed": 2}
    await post.look(1)
    rooms = Rooms(post.database, post.clock, "one", lambda: 1)
    again = Watcher(post.database, post.clock, Troubles(post.engine, post.clock, "c1"), rooms, Limits())
    await again.look()
    assert await post.fetch(STANDING) == []


async def test_a_new_leader_closes_nothing_that_may_go_on(post: Post) -> None:
    post.boards, post.canary = 0, {"missed": 2}
    await post.press()
    await post.look(190)
    assert await post.fetch(STANDING) == ["auditor", "canary", "no_board", "nobody_answers"]
    rooms = Rooms(post.database, post.clock, "two", lambda: post.boards)
    sings, limits = [False], Limits(no_board_after_s=60, nobody_answers_after_s=180)
    troubles = Troubles(post.engine, post.clock, "c1")
    post.watcher = Watcher(post.database, post.clock, troubles, rooms, limits, canary_sings=lambda: sings[0])
    await post.look(9)
    assert await post.fetch(STANDING) == ["auditor", "canary", "no_board", "nobody_answers"]
    post.boards, sings[0] = 1, True
    await post.look(6)
    assert await post.fetch(STANDING) == ["auditor", "nobody_answers"]


@pytest.mark.parametrize("name", ["unfired", "open_troubles", "answered_since"])
async def test_what_is_asked_each_second_follows_an_index(dsn: str, name: str) -> None:
    database = Database(dsn, is_planned_once=True)
    async with database.connection() as connection:
        statement = await connection.prepare(audit.SQL[name])
        given = {"unfired": (START, 10), "open_troubles": (["c1"],), "answered_since": (START,)}[name]
        plan = str(await statement.explain(*given))
    await database.close()
    assert "Seq Scan" not in plan


async def test_each_process_says_how_many_boards_it_has_until_the_last_is_closed(post: Post) -> None:
    rooms = Rooms(post.database, post.clock, "two", lambda: post.boards)
    saying = asyncio.create_task(rooms.run())
    try:
        for boards in (2, 0):
            post.boards = boards
            async with limit(10):
                while await post.fetch("SELECT boards FROM room WHERE instance = 'two'") != [boards]:
                    await post.clock.advance(1)
        [beat] = await post.fetch("SELECT beat FROM room")
        await post.clock.advance(60)
        assert await post.fetch("SELECT beat FROM room") == [beat]  # nothing to say, nothing written
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
