"""The proof by simulation, quickly: fifty fixed seeds find nothing, each replays exactly, and bugs put in are found."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from dispatch import logs
from dispatch.incident import events as ev
from dispatch.incident.decide import decide
from dispatch.incident.states import ASSIGNMENT_MOVES, AssignmentState
from dispatch.ingest import Intake
from simulator.proof.seeds import Players, Sum, databases, stand_on
from simulator.proof.trial import Plan, Stand, Trial, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORT = Plan(hours=0.4, storms=1, storm_s=(20.0, 40.0), presses=(2, 4))
FIXED = range(1, 51)
PLAYERS = 2
pytestmark = [
    pytest.mark.timeout(180),  # fifty seeds take a while on a machine that has other work
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # killed tasks end as they can
]


@pytest.fixture(scope="module")
def dsns() -> Iterator[list[str]]:
    with asyncio.Runner() as runner:
        opened = databases(PLAYERS + 1)
        yield runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
def stand(dsns: list[str]) -> Iterator[Stand]:
    logs.set_up("critical", coloured=False)
    with stand_on(dsns[-1]) as stand:
        yield stand
    logs.set_up("warning", coloured=False)


def seen(verdict: Verdict) -> str:
    return "\n".join([f"seed {verdict.seed}", *verdict.lost, *verdict.duplicated, *verdict.violations])


def test_fifty_seeds_lose_nothing_double_nothing_and_forget_nothing(dsns: list[str]) -> None:
    done = Sum()
    with Players(dsns[:PLAYERS], SHORT) as players:
        players.play(FIXED, lambda: True, done.add)
    assert [seen(verdict) for verdict in done.bad] == []
    assert done.seeds == len(FIXED)
    assert {"killed", "frozen", "standby", "answer_lost", "database_away", "redelivered"} <= done.faults.keys()


def test_the_same_seed_does_the_same(stand: Stand) -> None:
    first, again = (Trial(7, stand, SHORT).play() for _ in range(2))
    assert again == first
    assert first.incidents > 0


def first_bad(stand: Stand) -> Verdict:
    """The first of the fixed seeds that goes badly."""
    for seed in FIXED:
        verdict = Trial(seed, stand, SHORT).play()
        if not verdict.is_good:
            return verdict
    pytest.fail("none of the seeds found it")


def test_acknowledging_before_the_commit_is_found(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    settle = Intake._settle

    async def too_early(intake: Intake, decoded: Any) -> None:
        intake._acknowledge([each.message for each in decoded])
        await settle(intake, decoded)

    monkeypatch.setattr(Intake, "_settle", too_early)
    assert any(line.startswith("6: acknowledged before it was durable") for line in first_bad(stand).violations)


def test_accepting_a_lapsed_offer_is_found(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    moves: dict[Any, Any] = ASSIGNMENT_MOVES[AssignmentState.LAPSED]
    monkeypatch.setitem(moves, ev.OfferAccepted, AssignmentState.ACCEPTED)
    found = " ".join(first_bad(stand).violations)
    assert "was lapsed and is accepted" in found or "the database itself had to refuse: ended_has_reason" in found


def test_a_due_clock_that_changes_nothing_is_found(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    def asleep(incident: Any, event: Any, now: Any) -> Any:
        return (incident, ()) if isinstance(event, ev.StepDue) else decide(incident, event, now)

    monkeypatch.setattr("dispatch.engine.batch.decide", asleep)
    assert any(line.startswith("2: a clock of") for line in first_bad(stand).violations)
