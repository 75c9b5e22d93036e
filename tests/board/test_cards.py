"""What the cards say, from incidents made by the rules alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dispatch.board.cards import (
    Background,
    incident_card,
    mask_address,
    mask_incident,
    mask_name,
    needs_action,
    next_step,
)
from dispatch.board.worker_cards import Part, worker_view
from dispatch.incident import events as ev
from dispatch.incident.decide import Opening, decide, open_incident
from dispatch.incident.policy import Policies
from dispatch.incident.states import Caller, Incident, IncidentClass, Subject, SubjectKind
from dispatch.model import (
    AssignmentId,
    Elder,
    ElderId,
    Home,
    HomeId,
    IncidentId,
    Key,
    Origin,
    Place,
    StationId,
    TerminalId,
    Travel,
    Worker,
    WorkerId,
)

from .conftest import START

ID = IncidentId(UUID(int=1))
OFFER = AssignmentId(UUID(int=2))
WORKER = Worker(WorkerId("W1"), "张伟", StationId("S1"), Travel.WALK, phone="137", is_on_duty=True)
BACKGROUND = Background(
    numbers={ID: 7},
    homes={"H1": Home(HomeId("H1"), "松柏路12号3楼", Place(24.4812, 118.1034))},
    residents={"H1": (Elder(ElderId("E1"), "王秀兰", 1944),)},
    workers={"W1": WORKER},
)


class Call:
    """One call, told in events."""

    def __init__(self, policies: Policies, kind: Key = Key.SOS) -> None:
        self.now = START
        subject = Subject(SubjectKind.HOME, "H1")
        caller = Caller(TerminalId("T1"), "a1")
        opening = Opening(
            id=ID,
            incident_class=IncidentClass.CARE,
            subject=subject,
            origin=Origin.TERMINAL,
            policy=policies[kind],
            by="T1",
            caller=caller,
            reachable=frozenset({"supervisor"}),
        )
        self.incident, _ = open_incident(opening, self.now)

    def tell(self, *events: ev.Event, after_s: float = 0) -> Incident:
        self.now += timedelta(seconds=after_s)
        for event in events:
            self.incident, _ = decide(self.incident, event, self.now)
        return self.incident

    def offer(self) -> Incident:
        return self.tell(ev.WorkersChosen((ev.Pick(OFFER, WorkerId("W1"), 120),)))

    def accept(self) -> Incident:
        self.offer()
        return self.tell(ev.OfferAccepted(OFFER, "W1", AssignmentId(UUID(int=3))))

    def next(self) -> tuple[str, dict[str, Any]]:
        step = next_step(self.incident, BACKGROUND)
        assert step is not None
        return step.code, step.facts


def test_what_comes_next_at_each_stage(policies: Policies) -> None:
    call = Call(policies)
    assert call.next() == ("climb", {"level": 1, "tells": ["operators", "supervisor"], "why": "unanswered"})
    call.offer()
    of_worker = {"worker_id": "W1", "worker_name": "张伟", "asked": 0, "is_lost": False}
    assert call.next() == ("lapse", of_worker)
    call = Call(policies)
    call.accept()
    call.tell(ev.OperatorAnswered("li"))
    assert call.next() == ("depart_overdue", of_worker)
    call.tell(ev.DepartOverdue(OFFER, "clock"), after_s=120)
    assert call.next() == ("depart_overdue", of_worker | {"asked": 1, "is_lost": True})
    call.tell(ev.Departed(OFFER, "W1"))
    assert call.next() == ("arrive_overdue", of_worker)
    call.tell(ev.Arrived(OFFER, "W1"))
    assert call.next() == ("check_overdue", of_worker)
    call.tell(ev.AssignmentFinished(OFFER, "W1", "assisted"))
    assert call.next() == ("close", {"closes": False})
    assert next_step(call.tell(ev.Closed("li", "assisted")), BACKGROUND) is None


def test_what_comes_next_of_a_sensors_word_and_of_a_cancel(policies: Policies) -> None:
    assert Call(policies, Key.VITALS).next() == ("verify", {})
    call = Call(policies, Key.CONSULT)
    call.tell(ev.AlarmCancelled(TerminalId("T1"), "a1", "c1"))
    assert call.next() == ("grace", {})
    call = Call(policies, Key.CONSULT)
    call.tell(ev.OperatorAnswered("li"))
    call.accept()
    call.tell(ev.Arrived(OFFER, "W1"), ev.AssignmentFinished(OFFER, "W1", "assisted"))
    assert call.incident.closed_at is not None  # the policy closes such a call by itself


def test_a_ladder_step_that_tells_nobody_is_not_announced(policies: Policies) -> None:
    call = Call(policies)
    call.tell(ev.StepDue(), after_s=60)
    assert call.next()[1]["level"] == 3  # contacts and station: there are none


def test_who_must_act(policies: Policies) -> None:
    call = Call(policies)
    assert needs_action(call.incident)
    assert needs_action(call.tell(ev.OperatorAnswered("li")))  # nobody has said yes
    assert not needs_action(call.accept())
    assert needs_action(call.tell(ev.DepartOverdue(OFFER, "clock"), after_s=120))
    assert not needs_action(call.tell(ev.Departed(OFFER, "W1")))
    assert needs_action(call.tell(ev.AlarmCancelled(TerminalId("T1"), "a1", "c1")))
    call = Call(policies)
    call.tell(ev.OperatorAnswered("li"))
    call.accept()
    assert not needs_action(call.tell(ev.Arrived(OFFER, "W1")))
    assert needs_action(call.tell(ev.AssignmentFinished(OFFER, "W1", "assisted")))  # done, and not closed
    assert not needs_action(call.tell(ev.Closed("li", "assisted")))


def test_a_card_of_a_worker_in_trouble_names_the_worker(policies: Policies) -> None:
    opening = Opening(
        id=ID,
        incident_class=IncidentClass.SAFETY,
        subject=Subject(SubjectKind.WORKER, "W1"),
        origin=Origin.SERVICE,
        policy=policies[Key.WORKER_SAFETY],
        by="service",
    )
    incident, _ = open_incident(opening, START)
    card = incident_card(incident, BACKGROUND, START)
    assert [(person.name, person.phone) for person in card.people] == [("张伟", "137")]
    assert not card.is_known_home


def test_somebody_the_register_has_lost_still_has_a_name(policies: Policies) -> None:
    call = Call(policies)
    card = incident_card(call.offer(), Background({}, {}, {}, {}), START)
    assert (card.assignments[0].worker_name, card.people, card.number) == ("W1", (), 0)


def test_masks() -> None:
    assert [mask_name(name) for name in ("王秀兰", "王", "")] == ["王**", "王", ""]
    assert mask_address("松柏路12号3楼502") == "松柏路*号*楼*"
    assert mask_address("三号楼二单元") == "*号楼*单元"


def test_a_masked_card_has_no_place_to_find(policies: Policies) -> None:
    card = mask_incident(incident_card(Call(policies).accept(), BACKGROUND, START))
    assert card.place == Place(24.48, 118.1, 1000.0)
    assert card.assignments[0].worker_phone is None


def test_a_phone_without_a_call_shows_none() -> None:
    view = worker_view(WORKER, None, datetime(2026, 3, 1, tzinfo=UTC), "Asia/Shanghai")
    assert (view.call, view.ended, view.worker.state) == (None, None, "free")


def test_a_call_the_worker_gave_back_is_not_explained_to_them(policies: Policies) -> None:
    call = Call(policies)
    call.accept()
    incident = call.tell(ev.OfferDeclined(OFFER, "W1", "unwell"))
    view = worker_view(WORKER, Part(incident, incident.assignments[0], BACKGROUND), START, "Asia/Shanghai")
    assert (view.call, view.ended) == (None, None)
