"""The table of moves is total, and whatever happens in whatever order, the invariants hold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch.incident import events as ev
from dispatch.incident.states import (
    ASSIGNMENT_MOVES,
    INCIDENT_MOVES,
    LIVE,
    AssignmentState,
    Ignore,
    IncidentState,
    Stay,
)

from .scenario import Scenario, default_policies

POLICIES = default_policies()


def test_every_assignment_state_knows_every_event() -> None:
    for state in AssignmentState:
        assert set(ASSIGNMENT_MOVES[state]) == set(ev.ASSIGNMENT_EVENTS), state


def test_every_incident_state_knows_every_event() -> None:
    for state in IncidentState:
        assert set(INCIDENT_MOVES[state]) == set(ev.INCIDENT_EVENTS), state


def test_an_ended_assignment_comes_alive_only_by_a_lost_worker_who_sets_off_or_arrives() -> None:
    revived = {
        (state, event)
        for state, row in ASSIGNMENT_MOVES.items()
        for event, target in row.items()
        if state not in LIVE and isinstance(target, AssignmentState) and target in LIVE
    }
    assert revived == {(AssignmentState.LOST, ev.Departed), (AssignmentState.LOST, ev.Arrived)}


def test_every_refusal_has_a_reason() -> None:
    targets = [target for row in ASSIGNMENT_MOVES.values() for target in row.values()]
    moves = [move for row in INCIDENT_MOVES.values() for move in row.values()]
    reasons = {each.reason for each in (*targets, *moves) if isinstance(each, Ignore)}
    assert all(reason.replace("_", "").isalpha() for reason in reasons)


def test_only_a_stale_yes_is_offered_anew() -> None:
    anew = {
        (state, event) for state, row in ASSIGNMENT_MOVES.items() for event, to in row.items() if to is Stay.REOFFER
    }
    stale = (AssignmentState.LAPSED, AssignmentState.WITHDRAWN, AssignmentState.LOST)
    assert anew == {(state, ev.OfferAccepted) for state in stale}


WORKERS = ("W1", "W2", "W3", "W9")
PARTS = (*WORKERS, "W1.1", "W2.1", "W2.2")
DEEDS = ("sees", "accepts", "declines", "departs", "arrives", "ok", "finishes", "is-lost")
LINES = st.one_of(
    st.sampled_from(("sos", "fall", "fire", "family", "service", "consult", "vitals")),
    st.sampled_from(("again", "cancel", "answer", "escalate", "close", "confirm-cancel", "hands")),
    st.sampled_from(("raise sos", "raise fire", "raise family", "reachable", "reachable contacts supervisor")),
    st.sampled_from(("tick 1s", "tick 31s", "tick 61s", "tick 3m", "tick 21m", "tick 2h")),
    st.lists(st.sampled_from(WORKERS), max_size=3, unique=True).map(lambda who: " ".join(("choose", *who))),
    st.builds("{} {}".format, st.sampled_from(PARTS), st.sampled_from(DEEDS)),
    st.builds("{} {}".format, st.sampled_from(("assign", "release")), st.sampled_from(WORKERS)),
)


@settings(max_examples=300)
@given(st.sampled_from(("sos", "fall", "fire", "family", "service", "consult", "vitals")), st.lists(LINES, max_size=40))
def test_whatever_happens_the_invariants_hold(first: str, lines: list[str]) -> None:
    """`Scenario` checks the invariants after every decision, and that each clock that fires changes something."""
    scenario = Scenario(POLICIES)
    scenario.play(first)
    for line in lines:
        try:
            scenario.play(line)
        except AssertionError as error:
            if "has never been asked" not in str(error):
                raise


@pytest.mark.parametrize("kind", ["sos", "fall", "fire", "family", "service", "consult", "vitals"])
def test_an_open_call_left_alone_is_never_silent_for_long(kind: str) -> None:
    """For a day nobody does anything: at least every half hour somebody is told again."""
    scenario = Scenario(POLICIES)
    scenario.play(kind)
    for _ in range(48):
        scenario.play("tick 30m")
        assert scenario.told(), f"{kind}: half an hour of silence"
