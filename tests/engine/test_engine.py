"""The engine on a real PostgreSQL: what one commit makes durable, and what a bad item does to the others."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from dispatch.clock import VirtualClock
from dispatch.engine import Engine, FireDue, Happen, Item, OpenByHand, Outcome, RaiseAlarm, RaiseByService
from dispatch.errors import NotFound, Refused
from dispatch.incident import events as ev
from dispatch.incident.states import AssignmentState, IncidentState, Subject, SubjectKind
from dispatch.model import Alarm, AssignmentId, IncidentId, Key, Place, TerminalId, WorkerId
from dispatch.store.database import Database

from .conftest import START


def press(terminal: str = "T1", alarm_id: str = "a1", key: Key = Key.SOS, **fields: object) -> Alarm:
    digest = hashlib.sha256(repr((terminal, alarm_id, key, sorted(fields.items()))).encode()).digest()[:16]
    return Alarm(TerminalId(terminal), alarm_id, key, START, digest, **fields)  # type: ignore[arg-type]


async def do(engine: Engine, *items: Item) -> list[Outcome]:
    futures = [engine.submit(item) for item in items]
    await engine.step()
    return await asyncio.gather(*futures)


async def alarms(engine: Engine, *presses: Alarm) -> list[Outcome]:
    return await do(engine, *map(RaiseAlarm, presses))


async def fetch(database: Database, query: str, *args: object) -> Sequence[object]:
    async with database.connection() as connection:
        return [row[0] if len(row) == 1 else tuple(row) for row in await connection.fetch(query, *args)]


def pick(clock: VirtualClock, worker: str) -> ev.Pick:
    return ev.Pick(AssignmentId(clock.new_id()), WorkerId(worker), 120)


def opened(outcome: Outcome) -> IncidentId:
    assert outcome.incident is not None
    return outcome.incident.id


async def test_a_press_opens_one_incident_with_log_and_receipt(engine: Engine, database: Database) -> None:
    [outcome] = await alarms(engine, press())
    assert outcome.incident is not None
    assert outcome.incident.state is IncidentState.WAITING
    assert await fetch(database, "SELECT subject_id, band, state, wants FROM incident") == [("H1", 0, "waiting", 2)]
    assert await fetch(database, "SELECT code FROM incident_log ORDER BY seq") == ["opened"]
    assert await fetch(database, "SELECT channel, recipient, body->>'stage' FROM outbox") == [
        ("terminal", "T1", "stored")
    ]


async def test_the_same_press_ten_times_is_one_alarm(engine: Engine, database: Database) -> None:
    outcomes = await alarms(engine, *[press()] * 5)
    outcomes += await alarms(engine, *[press()] * 5)
    assert [outcome.is_repeat for outcome in outcomes] == [False] + [True] * 9
    assert await fetch(database, "SELECT count(*) FROM alarm") == [1]
    assert await fetch(database, "SELECT count(*) FROM incident") == [1]
    assert await fetch(database, "SELECT count(*) FROM outbox WHERE body->>'stage' = 'stored'") == [10]


async def test_an_id_seen_with_other_content_is_a_new_press_marked_so(engine: Engine, database: Database) -> None:
    await alarms(engine, press(), press(key=Key.FALL))
    assert await fetch(database, "SELECT kind, flaws FROM alarm ORDER BY row_id") == [
        ("sos", []),
        ("fall", ["id_reused"]),
    ]


async def test_two_alarms_of_one_home_join_one_incident(engine: Engine, database: Database) -> None:
    first, second = await alarms(engine, press(alarm_id="a1"), press(alarm_id="a2"))
    assert opened(first) == opened(second)
    assert await fetch(database, "SELECT alarms FROM incident") == [2]


async def test_an_unknown_terminal_is_still_a_call(engine: Engine, database: Database) -> None:
    await alarms(engine, press("T-nobody-knows"))
    assert await fetch(database, "SELECT subject_id FROM incident") == ["terminal:T-nobody-knows"]
    assert await fetch(database, "SELECT is_known FROM home WHERE home_id LIKE 'terminal:%'") == [False]
    assert await fetch(database, "SELECT facts->'flaws'->>0 FROM incident_log") == ["unknown_terminal"]


async def test_the_same_alarm_after_its_incident_closed_opens_nothing(engine: Engine, database: Database) -> None:
    [outcome] = await alarms(engine, press())
    await do(engine, Happen(opened(outcome), ev.Closed("op", "false_alarm")))
    [again] = await alarms(engine, press())
    assert again.is_repeat
    assert await fetch(database, "SELECT count(*) FROM incident") == [1]
    stages = await fetch(database, "SELECT body->>'stage' FROM outbox ORDER BY outbox_id")
    assert stages == ["stored", "closed", "stored", "closed"]


async def test_a_new_press_after_closing_opens_a_new_incident(engine: Engine, database: Database) -> None:
    [outcome] = await alarms(engine, press())
    await do(engine, Happen(opened(outcome), ev.Closed("op", "false_alarm")))
    await alarms(engine, press(alarm_id="a2"))
    assert await fetch(database, "SELECT state FROM incident ORDER BY number") == ["closed", "waiting"]


async def test_a_cancel_before_its_alarm_waits_for_it(engine: Engine) -> None:
    [early] = await alarms(engine, press(alarm_id="c1", cancel_of="a1"))
    assert early.incident is None
    [outcome] = await alarms(engine, press(alarm_id="a1"))
    assert outcome.incident is not None
    assert outcome.incident.cancelled_at is not None
    assert outcome.incident.state is IncidentState.WAITING


async def test_a_cancel_after_a_worker_set_off_withdraws_nobody(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    [outcome] = await alarms(engine, press())
    incident_id, chosen = opened(outcome), pick(clock, "W1")
    await do(engine, Happen(incident_id, ev.WorkersChosen((chosen,))))
    await do(engine, Happen(incident_id, ev.OfferAccepted(chosen.offer_id, "W1", AssignmentId(clock.new_id()))))
    await do(engine, Happen(incident_id, ev.Departed(chosen.offer_id, "W1")))
    [cancelled] = await alarms(engine, press(alarm_id="c1", cancel_of="a1"))
    assert cancelled.incident is not None
    assert cancelled.incident.state is IncidentState.EN_ROUTE
    told = await fetch(database, "SELECT body->>'code' FROM outbox WHERE channel = 'worker' AND message = 'notice'")
    assert told == ["cancelled"]


async def test_a_test_press_is_answered_closed_and_counted(engine: Engine, database: Database) -> None:
    await alarms(engine, press(is_test=True))
    assert await fetch(database, "SELECT state, outcome, is_exercise FROM incident") == [("closed", "test", True)]
    assert await fetch(database, "SELECT body->>'stage' FROM outbox ORDER BY outbox_id") == ["stored", "tested"]


@pytest.mark.parametrize("bad", ["nul\0inside", "lone\ud800surrogate"])
async def test_one_alarm_that_cannot_be_stored_stops_none_of_500(engine: Engine, database: Database, bad: str) -> None:
    good = [press(f"G{n}", f"a{n}") for n in range(250)]
    more = [press(f"M{n}", f"a{n}") for n in range(249)]
    outcomes = await alarms(engine, *good, press("T1", bad), *more)
    assert len(outcomes) == 500
    assert all(outcome.incident is not None for outcome in outcomes)
    assert await fetch(database, "SELECT count(*) FROM incident WHERE kind = 'sos'") == [499]
    assert await fetch(database, "SELECT subject_id, band FROM incident WHERE kind = 'unreadable'") == [("H1", 1)]
    assert await fetch(database, "SELECT reason FROM parked") == ["not_storable"]


async def test_an_alarm_of_the_year_300000_or_1_is_a_call(engine: Engine, database: Database) -> None:
    far = press("T1", happened_at=START.replace(year=9999))
    early = press("T2", happened_at=START.replace(year=1))
    await alarms(engine, far, early)
    assert await fetch(database, "SELECT count(*) FROM incident WHERE state = 'waiting'") == [2]


async def test_a_worker_is_offered_to_one_incident_only(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    first, second = map(opened, await alarms(engine, press("T1"), press("T2")))
    one, two = pick(clock, "W1"), pick(clock, "W1")
    await do(engine, Happen(first, ev.WorkersChosen((one,))), Happen(second, ev.WorkersChosen((two,))))
    assert await fetch(database, "SELECT incident_id FROM assignment") == [first]
    assert await fetch(database, "SELECT nobody FROM incident WHERE incident_id = $1", second) == [False]


async def test_the_first_yes_wins_and_the_other_is_withdrawn(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    [outcome] = await alarms(engine, press())
    incident_id, one, two = opened(outcome), pick(clock, "W1"), pick(clock, "W2")
    await do(engine, Happen(incident_id, ev.WorkersChosen((one, two))))
    yes = [ev.OfferAccepted(each.offer_id, each.worker_id, AssignmentId(clock.new_id())) for each in (one, two)]
    first, second = await do(engine, *(Happen(incident_id, event) for event in yes))
    assert first.ignored is None
    assert second.ignored == "taken_by_other"
    assert await fetch(database, "SELECT worker_id, state FROM assignment ORDER BY worker_id") == [
        ("W1", "accepted"),
        ("W2", "withdrawn"),
    ]


async def test_a_freed_worker_can_be_offered_elsewhere_in_the_same_batch(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    first, second = map(opened, await alarms(engine, press("T1"), press("T2")))
    one, again = pick(clock, "W1"), pick(clock, "W1")
    await do(engine, Happen(first, ev.WorkersChosen((one,))))
    await do(
        engine,
        Happen(first, ev.OfferDeclined(one.offer_id, "W1", "busy")),
        Happen(second, ev.WorkersChosen((again,))),
    )
    assert await fetch(database, "SELECT incident_id, state FROM assignment ORDER BY state") == [
        (first, "declined"),
        (second, "offered"),
    ]


async def test_an_offer_lapses_at_its_time_and_a_late_yes_becomes_a_new_offer(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    [outcome] = await alarms(engine, press())
    incident_id, chosen, new_offer = opened(outcome), pick(clock, "W1"), AssignmentId(clock.new_id())
    await do(engine, Happen(incident_id, ev.WorkersChosen((chosen,))))
    await clock.advance(29)
    [early] = await do(engine, FireDue(incident_id))
    assert early.incident is not None
    assert early.incident.assignments[0].state is AssignmentState.OFFERED
    await clock.advance(2)
    await do(engine, FireDue(incident_id))
    await do(engine, Happen(incident_id, ev.OfferAccepted(chosen.offer_id, "W1", new_offer)))
    states = "SELECT assignment_id, state FROM assignment ORDER BY offered_at"
    assert await fetch(database, states) == [(chosen.offer_id, "lapsed"), (new_offer, "offered")]


async def test_an_unknown_incident_and_a_busy_worker_are_refused_by_name(engine: Engine, clock: VirtualClock) -> None:
    first, second = map(opened, await alarms(engine, press("T1"), press("T2")))
    await do(engine, Happen(first, ev.OperatorAssigned("op", pick(clock, "W1"))))
    for item, kind, code in (
        (Happen(IncidentId(clock.new_id()), ev.OperatorAnswered("op")), NotFound, "no_such_incident"),
        (Happen(second, ev.OperatorAssigned("op", pick(clock, "W1"))), Refused, "worker_busy"),
        (Happen(second, ev.OperatorAssigned("op", pick(clock, "W4"))), Refused, "worker_off_duty"),
    ):
        future = engine.submit(item)
        await engine.step()
        with pytest.raises(kind) as refusal:
            await future
        assert refusal.value.code == code


async def test_closing_a_closed_incident_changes_nothing(engine: Engine, database: Database) -> None:
    [outcome] = await alarms(engine, press())
    close = Happen(opened(outcome), ev.Closed("op", "assisted"))
    await do(engine, close)
    [again] = await do(engine, close)
    assert again.ignored == "incident_closed"
    assert await fetch(database, "SELECT version, outcome FROM incident") == [(2, "assisted")]


async def test_a_call_by_hand_for_a_home_and_for_an_address(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    def by_hand(**where: str) -> OpenByHand:
        return OpenByHand(IncidentId(clock.new_id()), "op", Key.SOS, **where)  # type: ignore[arg-type]

    known, typed, again = await do(engine, by_hand(home_id="H1"), by_hand(address="9 Elm Road"), by_hand(home_id="H1"))
    assert again.ignored == "already_open"
    assert opened(again) == opened(known)
    assert typed.incident is not None
    assert typed.incident.answered_by == "op"
    assert await fetch(database, "SELECT address FROM home WHERE home_id LIKE 'hand:%'") == ["9 Elm Road"]


async def test_a_silent_worker_on_scene_opens_a_safety_incident_in_the_same_commit(
    engine: Engine, database: Database, clock: VirtualClock
) -> None:
    [outcome] = await alarms(engine, press())
    incident_id, chosen = opened(outcome), pick(clock, "W1")
    await do(engine, Happen(incident_id, ev.WorkersChosen((chosen,))))
    await do(engine, Happen(incident_id, ev.OfferAccepted(chosen.offer_id, "W1", AssignmentId(clock.new_id()))))
    await do(engine, Happen(incident_id, ev.Arrived(chosen.offer_id, "W1")))
    await do(engine, Happen(incident_id, ev.OperatorAnswered("op")))
    await clock.advance(1201)
    await do(engine, FireDue(incident_id))
    await clock.advance(121)
    await do(engine, FireDue(incident_id))
    about = "SELECT subject_kind, subject_id, kind FROM incident WHERE incident_class = 'safety'"
    assert await fetch(database, about) == [("worker", "W1", "worker_safety")]


async def test_the_log_is_in_commit_order_while_a_viewer_reads(engine: Engine, database: Database) -> None:
    """Two writers race; what a viewer has read up to some number is never added to below that number."""
    other = Engine(database, VirtualClock(START + timedelta(hours=1), seed=2), engine.policies)
    seen: list[object] = []

    async def write(one: Engine, name: str) -> None:
        for n in range(20):
            await alarms(one, press(f"{name}{n}"))

    async def view(done: asyncio.Event) -> None:
        while not done.is_set():
            after = seen[-1] if seen else 0
            seen.extend(await fetch(database, "SELECT seq FROM incident_log WHERE seq > $1 ORDER BY seq", after))

    done = asyncio.Event()
    viewer = asyncio.create_task(view(done))
    await asyncio.gather(write(engine, "A"), write(other, "B"))
    done.set()
    await viewer
    rest = await fetch(database, "SELECT seq FROM incident_log ORDER BY seq")
    assert seen == rest[: len(seen)]
    assert len(rest) == 40


async def test_an_alarm_handed_in_twice_by_two_processes_is_one(engine: Engine, database: Database) -> None:
    other = Engine(database, VirtualClock(START, seed=3), engine.policies)
    await asyncio.gather(*(alarms(each, press()) for each in (engine, other)))
    assert await fetch(database, "SELECT count(*) FROM alarm") == [1]


async def test_the_service_itself_can_call_and_calls_once(engine: Engine, database: Database) -> None:
    gap = RaiseByService(Key.POSSIBLE_GAP, Subject(SubjectKind.CENTRE, "c1"), {"lane": "alarms"})
    first, second = await do(engine, gap, gap)
    assert second.ignored == "already_open"
    assert opened(first) == opened(second)
    assert await fetch(database, "SELECT incident_class, origin, wants FROM incident") == [("centre", "service", 0)]


async def test_a_cancel_that_waited_is_answered_when_its_alarm_comes(engine: Engine, database: Database) -> None:
    await alarms(engine, press(alarm_id="c1", cancel_of="a1"))
    await alarms(engine, press(alarm_id="a1"))
    await alarms(engine, press(alarm_id="c1", cancel_of="a1"))
    heard = await fetch(database, "SELECT body->>'alarm_id', body->>'stage' FROM outbox ORDER BY outbox_id")
    assert heard == [("c1", "stored"), ("a1", "stored"), ("c1", "cancelled"), ("c1", "stored")]


async def test_a_cancel_of_long_ago_is_not_meant_for_a_new_press_of_the_same_id(engine: Engine) -> None:
    await alarms(engine, press(alarm_id="c5", cancel_of="5"))
    late = replace(press(alarm_id="5"), received_at=START + timedelta(hours=1))
    [outcome] = await alarms(engine, late)
    assert outcome.incident is not None
    assert outcome.incident.cancelled_at is None


async def test_the_place_an_unknown_terminal_gives_is_where_somebody_goes(engine: Engine, database: Database) -> None:
    await alarms(engine, press("T-nobody-knows", place=Place(24.5, 118.2)))
    assert await fetch(database, "SELECT lat, lon FROM home WHERE NOT is_known") == [(24.5, 118.2)]


async def test_a_second_gap_is_a_line_in_the_log_of_the_first(engine: Engine, database: Database) -> None:
    centre = Subject(SubjectKind.CENTRE, "c1")
    await do(engine, RaiseByService(Key.POSSIBLE_GAP, centre, {"lane": "alarms"}))
    await do(engine, RaiseByService(Key.POSSIBLE_GAP, centre, {"dropped": 4}))
    said = "SELECT facts->>'dropped' FROM incident_log WHERE code = 'service_said'"
    assert await fetch(database, said) == ["4"]


async def test_nobody_is_sent_to_a_place_that_nobody_knows_before_a_person_is_asked(engine: Engine) -> None:
    [known, unknown, placed] = await alarms(
        engine, press("T1"), press("T-nobody-knows"), press("T-far-away", place=Place(24.5, 118.2))
    )
    asked_first = [each.incident.verify_by is not None for each in (known, unknown, placed) if each.incident]
    assert asked_first == [False, True, False]


async def test_what_the_service_calls_about_a_home_is_a_call_that_a_press_makes_graver(
    engine: Engine, database: Database
) -> None:
    home = Subject(SubjectKind.HOME, "H1")
    await do(engine, RaiseByService(Key.NO_ACTIVITY, home, {"flaws": ["no_activity"]}))
    assert await fetch(database, "SELECT kind, band, incident_class FROM incident") == [("no_activity", 2, "care")]
    await alarms(engine, press())
    assert await fetch(database, "SELECT kind, band, alarms FROM incident") == [("sos", 0, 2)]
