"""What a board shows and sets of an elder's readings: limits with who and why, scores with their gaps, what rang."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch.board.health_cards import reading_cards, score_card
from dispatch.board.health_messages import CauseCard
from dispatch.health.judging import Judging
from dispatch.model import IncidentId, TerminalId, Vitals
from dispatch.store import vitals
from dispatch.store.health import HealthSetting

from .conftest import START, Room

MINUTE = timedelta(minutes=1)
T1 = TerminalId("T1")
BODY: dict[str, Any] = {"limits": {"spo2_percent": {"low": 84}}, "spo2_scale": "two", "on_oxygen": None, "why": "COPD"}


def told(at: datetime, **values: Any) -> Vitals:
    return Vitals(T1, at, at, **(values or {"spo2_percent": 90.0}))


async def call_of(room: Room, readings: list[Vitals]) -> IncidentId:
    """The call that these readings make; they are stored as well."""
    judging = Judging()
    alarms = [alarm for each in readings if (alarm := judging.judge(each)) is not None]
    outcomes = await room.engine.raise_alarms(alarms)
    async with room.database.connection() as connection:
        await vitals.add(connection, [*readings, readings[0]])
    incident = outcomes[0].incident
    assert incident is not None
    return incident.id


async def test_a_call_by_readings_shows_them_what_rang_and_the_limits_in_force(room: Room) -> None:
    before = [told(START - (60 - n) * MINUTE, spo2_percent=97.0, heart_rate_bpm=80.0) for n in range(3)]
    critical = [told(START - 2 * MINUTE), told(START - MINUTE, spo2_percent=89.0)]
    incident_id = await call_of(room, [*before, *critical])
    operator = await room.operator()
    detail = await operator.get(f"/incidents/{incident_id}")
    [cause] = detail["causes"]
    assert (cause["code"], cause["values"]) == ("spo2_percent_low", {"spo2_percent": 89.0})
    assert [(each["spo2_percent"], each["is_cause"]) for each in detail["readings"]] == [
        *((89.0, True), (90.0, True)),
        *((97.0, False), (97.0, False), (97.0, False)),
    ]
    worn, other = detail["health"]
    assert (worn["elder_id"], worn["terminal_ids"], other["terminal_ids"]) == ("E1", ["T1"], [])
    assert worn["score"]["total"] == 3
    assert (worn["score"]["known"], worn["score"]["asked"], len(worn["score"]["missing"])) == (2, 7, 5)
    limit = next(each for each in worn["limits"] if each["name"] == "spo2_percent")
    assert limit == {"name": "spo2_percent", "low": 91, "high": None, "is_own": False}
    assert "89" not in str(detail["timeline"])


async def test_limits_are_set_with_a_reason_and_shown_with_who_set_them(room: Room) -> None:
    operator = await room.operator("li")
    answer = await operator.ask("PUT", "/elders/E1/health", BODY)
    assert answer.status == 200, answer
    health = answer.body["health"]
    assert (health["set_by"], health["why"], health["spo2_scale"]) == ("li", "COPD", "two")
    assert next(each for each in health["limits"] if each["is_own"])["low"] == 84
    cleared = {"limits": {}, "spo2_scale": "one", "on_oxygen": True, "why": "doctor's letter"}
    assert (await operator.ask("PUT", "/elders/E1/health", cleared)).status == 200
    detail = await operator.get("/elders/E1")
    assert (detail["person"]["name"], detail["address"]) == ("王秀兰", "松柏路1号502")
    assert not any(each["is_own"] for each in detail["health"]["limits"])
    assert detail["health"]["on_oxygen"] is True
    assert [(each["why"], len(each["limits"])) for each in detail["history"]] == [("doctor's letter", 0), ("COPD", 1)]


async def test_what_came_with_the_register_is_nobodys_setting(room: Room) -> None:
    operator = await room.operator()
    await operator.ask("PUT", "/elders/E1/health", BODY)
    async with room.database.connection() as connection:
        await connection.execute("""UPDATE elder SET thresholds = '{"heart_rate_bpm": {"high": 140}}'""")
    health = (await operator.get("/elders/E1"))["health"]
    assert (health["set_by"], health["why"]) == (None, None)
    assert [each["name"] for each in health["limits"] if each["is_own"]] == ["heart_rate_bpm"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"limits": {"spo2_percent": {"low": 10}}}, 422, "bad_limit"),
        ({"limits": {"heart_rate_bpm": {"low": 140}}}, 422, "limits_crossed"),
        ({"limits": {"pulse": {"low": 40}}}, 422, "bad_value"),
        ({"limits": {"spo2_percent": {"lowest": 40}}}, 422, "bad_value"),
        ({"why": "  "}, 422, "bad_value"),
        ({"spo2_scale": "three"}, 422, "bad_value"),
    ],
)
async def test_a_wrong_value_is_refused_and_changes_nothing(
    room: Room, change: dict[str, Any], status: int, code: str
) -> None:
    operator = await room.operator()
    answer = await operator.ask("PUT", "/elders/E1/health", BODY | change)
    assert (answer.status, answer.code) == (status, code)
    assert (await operator.get("/elders/E1"))["history"] == []


async def test_only_who_acts_sets_limits_and_only_of_somebody_there_is(room: Room) -> None:
    auditor = await room.operator("bureau")
    assert (await auditor.ask("PUT", "/elders/E1/health", BODY)).status == 403
    assert (await auditor.get("/elders/E1"))["person"]["name"] == "王**"
    operator = await room.operator()
    for answer in (await operator.ask("PUT", "/elders/E9/health", BODY), await operator.ask("GET", "/elders/E%009")):
        assert (answer.status, answer.code) == (404, "no_such_elder")


# --- pure ------------------------------------------------------------------------------------------------------------


def test_no_more_readings_than_can_be_drawn_but_every_one_that_rang() -> None:
    readings = [told(START - n * MINUTE) for n in range(1400)]
    cause = CauseCard("T1", "spo2_percent_low", START - 700 * MINUTE, START - 690 * MINUTE, {"spo2_percent": 90.0})
    cards = reading_cards(readings, [cause])
    assert sum(card.is_cause for card in cards) == 11
    assert len(cards) <= 240 + 11
    assert cards[0].at == START
    assert [card.at for card in cards] == sorted((card.at for card in cards), reverse=True)


def test_a_score_is_of_the_last_hour_and_says_what_it_lacks() -> None:
    now = datetime(2026, 3, 1, 9, tzinfo=UTC)
    old = told(now - timedelta(minutes=61), respiration_per_min=30.0)
    assert score_card([old], HealthSetting(), now) is None
    card = score_card([old, told(now - MINUTE, heart_rate_bpm=135.0)], HealthSetting(on_oxygen=True), now)
    assert card is not None
    assert (card.total, card.known, card.points, card.band) == (5, 2, {"air_or_oxygen": 2, "heart_rate_bpm": 3}, 1)
    assert card.missing == ("respiration_per_min", "spo2_percent", "systolic_mmhg", "consciousness", "temperature_c")
