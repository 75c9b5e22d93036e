"""How workers and operators behave: when they accept, decline, forget, arrive late, answer and close. Pure.

A person is asked with what they see on their page and says what they will do, and after how many seconds. Chance comes
from the seed, one stream for each person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.town import chances

if TYPE_CHECKING:
    from uuid import UUID

    from dispatch.board.messages import AssignmentCard, IncidentCard
    from dispatch.board.values import DeclineReason
    from dispatch.board.worker_messages import WorkerCall, WorkerView

Span = tuple[float, float]
"""Shortest and longest, seconds, drawn evenly."""

DECLINES: tuple[DeclineReason, ...] = ("too_far", "busy", "unwell", "no_vehicle", "other")
ANSWERS = {"have_you_departed": "depart", "are_you_safe": "ok", "are_you_there": "arrive"}
"""What a worker taps when the centre asks."""

LIVE = {"offered", "accepted", "en_route", "on_scene"}


@dataclass(frozen=True)
class Habits:
    """How people are. Shares are of all offers or calls; `way` is how much shorter than predicted the demo's ways are.

    `forgets_offer`: does not answer in time; `says_yes_late` is the share of those who want to go all the same when
    it has lapsed. `forgets_to_leave`: accepts and stays until asked. `late`: needs the way twice over.
    """

    seen: Span = (0.2, 0.8)
    accepts: Span = (0.8, 3.0)
    leaves: Span = (0.5, 2.0)
    way: float = 1 / 60
    way_s: Span = (2.0, 12.0)
    stays: Span = (2.0, 6.0)
    declines: float = 0.08
    forgets_offer: float = 0.08
    says_yes_late: float = 0.3
    forgets_to_leave: float = 0.03
    late: float = 0.05
    answers: Span = (2.0, 6.0)
    overlooks: float = 0.2
    closes: Span = (1.0, 3.0)
    confirms_cancel: Span = (2.0, 4.0)


BRISK = Habits(
    seen=(0.1, 0.4),
    accepts=(0.4, 1.5),
    leaves=(0.3, 1.0),
    way=1 / 120,
    way_s=(1.0, 5.0),
    stays=(1.0, 3.0),
    forgets_offer=0.2,
    answers=(0.8, 3.0),
    closes=(0.4, 1.2),
    confirms_cancel=(1.0, 2.0),
)
"""For the runs that must show everything in 40 seconds."""

UNHURRIED = Habits(
    accepts=(3.0, 9.0),
    leaves=(3.0, 8.0),
    way=1 / 12,
    way_s=(15.0, 60.0),
    stays=(15.0, 45.0),
    answers=(12.0, 30.0),
    overlooks=0.35,
    closes=(20.0, 45.0),
    confirms_cancel=(15.0, 30.0),
)
"""For the demo that somebody watches: slow enough to be first oneself."""

REAL = Habits(
    seen=(1.0, 8.0),
    accepts=(3.0, 25.0),
    leaves=(20.0, 90.0),
    way=1.0,
    way_s=(60.0, 1800.0),
    stays=(300.0, 2400.0),
    answers=(4.0, 45.0),
    closes=(30.0, 240.0),
    confirms_cancel=(30.0, 120.0),
)
"""For virtual time, where an hour costs a second."""


@dataclass(frozen=True)
class Act:
    """What somebody will do in `after_s` seconds: a request of the API below the offer's or incident's address."""

    verb: str
    after_s: float
    body: dict[str, Any]


def _act(verb: str, after_s: float, **body: Any) -> Act:
    return Act(verb, after_s, body)


class WorkerMind:
    """One worker. Ask `next_act` whenever the page shows another stage or question."""

    def __init__(self, worker_id: str, seed: int, habits: Habits) -> None:
        self._draw = chances(seed, f"mind of {worker_id}")
        self._habits = habits

    def next_act(self, call: WorkerCall) -> Act | None:
        """What this worker does about the call as it now stands; None is to forget it."""
        if call.question is not None and call.question.code in ANSWERS:
            return self._asked(call.question.code) or self._under_way(call)
        if call.state == "offered":
            return self._offered()
        return self._under_way(call)

    def acts_on(self, view: WorkerView) -> tuple[UUID, Act] | None:
        """What this worker does about what the page shows, and the offer it is about."""
        act, offer_id = None, view.ended_offer_id
        if view.call is not None:
            act, offer_id = self.next_act(view.call), view.call.offer_id
        elif view.ended == "lapsed":
            act = self.after_lapse()
        return (offer_id, act) if act is not None and offer_id is not None else None

    def _under_way(self, call: WorkerCall) -> Act | None:
        habits = self._habits
        if call.state == "accepted":
            forgets = call.question is not None or self._draw.random() < habits.forgets_to_leave
            return None if forgets else _act("depart", self._span(habits.leaves))
        if call.state == "en_route":
            return _act("arrive", self.way_s(call.eta_s))
        if call.cancelled_at is not None:
            return _act("confirm-cancel", self._span(habits.confirms_cancel))
        outcome = self._draw.choices(("assisted", "hospital", "false_alarm", "nobody_home"), (70, 12, 14, 4))[0]
        return _act("finish", self._span(habits.stays), outcome=outcome)

    def after_lapse(self) -> Act | None:
        """What this worker does about an offer that lapsed: perhaps a yes that comes too late."""
        is_late_yes = self._draw.random() < self._habits.says_yes_late
        return _act("accept", self._span(self._habits.seen)) if is_late_yes else None

    def way_s(self, eta_s: int) -> float:
        """How long the way takes."""
        shortest, longest = self._habits.way_s
        usual_s = min(longest, max(shortest, eta_s * self._habits.way * self._draw.uniform(0.8, 1.3)))
        return usual_s * (2 if self._draw.random() < self._habits.late else 1)

    def seen_after_s(self) -> float:
        return self._span(self._habits.seen)

    def _offered(self) -> Act | None:
        fate = self._draw.random()
        if fate < self._habits.forgets_offer:
            return None
        if fate < self._habits.forgets_offer + self._habits.declines:
            return _act("decline", self._span(self._habits.accepts), reason=self._draw.choice(DECLINES))
        return _act("accept", self._span(self._habits.accepts))

    def _asked(self, code: str) -> Act | None:
        if self._draw.random() < 0.3:
            return None
        return _act(ANSWERS[code], self._span(self._habits.seen))

    def _span(self, span: Span) -> float:
        return self._draw.uniform(*span)


class OperatorMind:
    """One operator. Ask `next_act` whenever `key_of` a call changes."""

    def __init__(self, name: str, seed: int, habits: Habits) -> None:
        self._seed, self._name, self._habits = seed, name, habits

    def next_act(self, card: IncidentCard) -> Act | None:
        """What this operator does about the call as it now stands."""
        draw = chances(self._seed, f"{self._name} about {key_of(card)}")
        if card.closed_at is not None:
            return None
        if card.answered_at is None:
            overlooks = draw.random() < self._habits.overlooks and card.level < 2
            return None if overlooks else _act("answer", draw.uniform(*self._habits.answers))
        if card.cancelled_at is not None:
            return _act("confirm-cancel", draw.uniform(*self._habits.confirms_cancel))
        if card.wants == 0 and not any(each.state in LIVE for each in card.assignments):
            return _act("close", draw.uniform(*self._habits.closes), outcome=outcome_of(card.assignments))
        return None


def stage_of(view: WorkerView) -> tuple[object, ...]:
    """What must change on a worker's page before the worker thinks about it anew."""
    call = view.call
    return (view.ended,) if call is None else (call.state, call.offer_id, call.question, call.cancelled_at)


def outcome_of(assignments: tuple[AssignmentCard, ...]) -> str:
    """The outcome an operator closes with: the last worker's, or that others have taken over."""
    done = [each.end_reason for each in assignments if each.state == "finished" and each.end_reason]
    return done[-1] if done else "handed_over"


def key_of(card: IncidentCard) -> tuple[object, ...]:
    """What must change of a call before an operator thinks about it anew."""
    if card.answered_at is None:
        return card.incident_id, "unanswered", card.level, card.closed_at is not None
    return card.incident_id, card.state, card.wants == 0, card.cancelled_at is not None
