"""Workers and operators do what their habits say, from what stands on their pages."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

from msgspec.structs import replace

from dispatch.board.messages import AssignmentCard, IncidentCard
from dispatch.board.worker_messages import Question, WorkerCall
from simulator.people import BRISK, Habits, OperatorMind, WorkerMind, key_of, outcome_of
from tests.simulation.test_terminal import START

CALL = WorkerCall(
    offer_id=UUID(int=1),
    incident_id=UUID(int=2),
    number=1,
    state="offered",
    kind="sos",
    band=0,
    due_at=START,
    offered_at=START,
    eta_s=300,
    people=(),
    address="",
    place=None,
    is_known_home=True,
    access=None,
    contacts=(),
    cancelled_at=None,
    question=None,
)
FINISHED = AssignmentCard(
    offer_id=UUID(int=1),
    worker_id="w1",
    worker_name="w",
    worker_phone=None,
    state="finished",
    eta_s=300,
    offered_by="router",
    offered_at=START,
    due_at=None,
    seen_at=None,
    accepted_at=START,
    departed_at=START,
    arrived_at=START,
    ended_at=START,
    end_reason="hospital",
)
CARD = IncidentCard(
    incident_id=UUID(int=2),
    number=1,
    version=1,
    incident_class="care",
    kind="sos",
    band=0,
    state="waiting",
    level=0,
    origin="terminal",
    subject_kind="home",
    subject_id="h1",
    is_exercise=False,
    is_known_home=True,
    people=(),
    address="",
    place=None,
    opened_at=START,
    answer_by=START + timedelta(seconds=60),
    answered_at=None,
    answered_by=None,
    cancelled_at=None,
    closed_at=None,
    outcome=None,
    nobody=False,
    wants=0,
    hands=1,
    alarms=1,
    needs_action=True,
    next=None,
    assignments=(),
)
STEADY = Habits(declines=0, forgets_offer=0, forgets_to_leave=0, overlooks=0, late=0)


def test_most_offers_are_accepted_some_declined_some_forgotten() -> None:
    mind = WorkerMind("w1", 7, Habits(declines=0.1, forgets_offer=0.2))
    acts = Counter(act.verb if (act := mind.next_act(CALL)) else "nothing" for _ in range(1000))
    assert 650 < acts["accept"] < 750
    assert 60 < acts["decline"] < 140
    assert 150 < acts["nothing"] < 250


def test_a_steady_worker_goes_through_with_it() -> None:
    mind = WorkerMind("w1", 7, STEADY)
    verbs = [mind.next_act(replace(CALL, state=state)) for state in ("accepted", "en_route", "on_scene")]
    assert [act.verb if act else None for act in verbs] == ["depart", "arrive", "finish"]
    cancelled = mind.next_act(replace(CALL, state="on_scene", cancelled_at=START))
    assert cancelled is not None
    assert cancelled.verb == "confirm-cancel"


def test_a_worker_who_is_asked_answers_or_goes_on_with_the_work() -> None:
    mind = WorkerMind("w1", 7, STEADY)
    asked = replace(CALL, state="on_scene", question=Question("are_you_safe", START))
    acts = {act.verb if (act := mind.next_act(asked)) else None for _ in range(50)}
    assert acts == {"ok", "finish"}


def test_the_same_seed_thinks_the_same() -> None:
    one, other = WorkerMind("w1", 7, BRISK), WorkerMind("w1", 7, BRISK)
    assert [one.next_act(CALL) for _ in range(20)] == [other.next_act(CALL) for _ in range(20)]


def test_an_operator_answers_then_waits_for_the_work_then_closes_with_its_outcome() -> None:
    mind = OperatorMind("o", 7, STEADY)
    answer = mind.next_act(CARD)
    assert answer is not None
    assert answer.verb == "answer"
    answered = replace(CARD, answered_at=START)
    assert mind.next_act(replace(answered, wants=1)) is None
    assert mind.next_act(replace(answered, assignments=(replace(FINISHED, state="en_route"),))) is None
    close = mind.next_act(replace(answered, assignments=(FINISHED,)))
    assert close is not None
    assert (close.verb, close.body) == ("close", {"outcome": "hospital"})
    assert mind.next_act(replace(answered, closed_at=START)) is None
    assert outcome_of(()) == "handed_over"


def test_an_overlooked_call_is_answered_when_it_has_climbed() -> None:
    mind = OperatorMind("o", 7, Habits(overlooks=1))
    assert mind.next_act(CARD) is None
    assert mind.next_act(replace(CARD, level=2)) is not None
    assert key_of(CARD) != key_of(replace(CARD, level=2))
