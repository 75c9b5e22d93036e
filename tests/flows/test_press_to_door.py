"""The whole path: a key is pressed at a terminal, and a person stands at the door, by every real part."""

from __future__ import annotations

import msgspec
import pytest

from dispatch.errors import Refused

from .conftest import Centre, press

OFFERS = "SELECT worker_id, state FROM assignment ORDER BY offered_at, worker_id"


async def test_a_press_becomes_a_person_at_the_door(town: Centre) -> None:
    operator, phone = await town.operator(), await town.worker("W3")
    async with town.terminal() as terminal:
        await terminal.say(press())
        stored = await terminal.hear("stored")
        await town.until("SELECT count(*) FROM assignment WHERE state = 'offered'", [2])
        offer_id = (await phone.get("/worker"))["call"]["offer_id"]
        await phone.post(f"/offers/{offer_id}/seen")
        await phone.post(f"/offers/{offer_id}/accept")
        assigned = await terminal.hear("assigned")
        assert assigned["worker_name"] == "Worker Three"
        assert assigned["eta_s"] > 0
        await phone.post(f"/offers/{offer_id}/depart")
        await terminal.hear("departed")
        await operator.post(f"/incidents/{stored['incident_id']}/answer")
        await phone.post(f"/offers/{offer_id}/arrive")
        await terminal.hear("arrived")
        await phone.post(f"/offers/{offer_id}/finish", {"outcome": "assisted"})
        await operator.post(f"/incidents/{stored['incident_id']}/close", {"outcome": "assisted"})
        closed = await terminal.hear("closed")
    assert closed["n"] > assigned["n"] > stored["n"]
    assert await town.fetch("SELECT state, outcome FROM incident") == [("closed", "assisted")]
    assert sorted(await town.fetch("SELECT state FROM assignment")) == ["finished", "withdrawn"]


async def test_silence_lapses_climbs_and_asks_the_next(town: Centre) -> None:
    async with town.terminal() as terminal:
        await terminal.say(press())
        await terminal.hear("stored")
    await town.until("SELECT count(*) FROM assignment WHERE state = 'offered'", [2])
    await town.advance(31)
    await town.until("SELECT state, count(*) FROM assignment GROUP BY 1 ORDER BY 1", [("lapsed", 2), ("offered", 2)])
    asked = await town.fetch("SELECT DISTINCT worker_id FROM assignment")
    assert len(asked) == 3  # the one not yet asked came before those who let it lapse
    await town.advance(35)
    await town.until("SELECT level FROM incident", [1])
    await town.advance(60)
    assert (await town.fetch("SELECT level FROM incident"))[0] >= 2
    assert "help_wanted" in await town.fetch("SELECT DISTINCT code FROM incident_log")


async def test_when_nobody_is_free_the_call_waits_and_goes_to_whoever_becomes_free(town: Centre) -> None:
    for worker in ("W1", "W2", "W3"):
        await (await town.worker(worker)).post("/worker/duty", {"is_on_duty": False})
    async with town.terminal() as terminal:
        await terminal.say(press())
        await town.until("SELECT nobody, level FROM incident", [(True, 1)])
        await (await town.worker("W2")).post("/worker/duty", {"is_on_duty": True})
        await town.until(OFFERS, [("W2", "offered")])


async def test_a_call_opened_by_hand_runs_by_the_same_rules(town: Centre) -> None:
    operator = await town.operator()
    opened = await operator.post("/incidents", {"kind": "sos", "home_id": "H1"})
    assert opened["card"]["answered_by"] == "op"
    await town.until("SELECT count(*) FROM assignment WHERE state = 'offered'", [2])
    with pytest.raises(Refused) as refused:
        await operator.post("/incidents", {"kind": "sos", "home_id": "H1"})
    assert refused.value.code == "already_open"


async def test_a_critical_reading_calls_by_the_same_path_as_a_key(town: Centre) -> None:
    async with town.terminal() as terminal:
        readings = [{"at": "2026-03-01T11:00:00+08:00", "heart_rate_bpm": 72}] * 3
        await terminal.say(
            msgspec.json.encode([*readings, {"at": "2026-03-01T11:00:05+08:00", "spo2_percent": 80}]), "vitals"
        )
        await town.until("SELECT kind, origin, band, wants FROM incident", [("vitals", "vitals", 0, 0)])
        await town.until("SELECT count(*) FROM vitals", [4])
        await town.advance(61)
        await town.until("SELECT count(*) FROM assignment", [1])
