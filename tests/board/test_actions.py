"""What operators do: every action's good case, and every refusal with its code and facts."""

from __future__ import annotations

import asyncio
from typing import Any

from dispatch.model import Key

from .conftest import Answered, Browser, Room

NO_SUCH = "0197a000-0000-7000-8000-000000000000"


async def test_the_board_shows_a_press_with_everything_an_operator_needs(room: Room) -> None:
    await room.press()
    board = await (await room.operator()).get("/board")
    [card] = board["incidents"]
    assert card["kind"] == "sos"
    assert card["state"] == "waiting"
    assert card["needs_action"]
    assert [person["name"] for person in card["people"]] == ["王秀兰", "陈建国"]  # who wears the terminal comes first
    assert card["people"][0]["age_years"] == 82
    assert card["address"] == "松柏路1号502"
    assert card["next"] == {
        "at": "2026-03-01T08:01:00Z",
        "code": "climb",
        "facts": {"level": 1, "tells": ["operators", "supervisor"], "why": "unanswered"},
    }
    assert [worker["state"] for worker in board["workers"]] == ["free", "free", "free", "off"]
    assert board["centre"]["stations"] == 1
    assert board["seq"] == (await room.fetch("SELECT max(seq) FROM incident_log"))[0][0]


async def test_an_auditor_sees_the_work_and_not_the_people(room: Room) -> None:
    incident_id, _ = await room.offered()
    page = await room.operator("bureau")
    [card] = (await page.get("/board"))["incidents"]
    assert card["people"][0] == {
        "elder_id": "E1", "name": "王**", "age_years": 82, "phone": None, "risks": [], "note": None
    }  # fmt: skip
    assert card["address"] == "松柏路*号*"
    detail = await page.get(f"/incidents/{incident_id}")
    assert detail["access"] == {"floor": 5, "has_lift": False}
    assert detail["contacts"][0]["phone"] == ""
    whole = str(await page.get("/board")) + str(detail) + str(await page.get("/workers"))
    for secret in ("王秀兰", "王芳", "1390000", "1370000", "1380000", "1357#", "青霉素"):
        assert secret not in whole


async def test_the_whole_of_one_incident(room: Room) -> None:
    incident_id, offers = await room.offered()
    page = await room.operator()
    await page.post(f"/incidents/{incident_id}/note", {"content": "楼下有人"})
    detail = await page.get(f"/incidents/{incident_id}")
    assert detail["access"]["door_code"] == "1357#"
    assert [contact["name"] for contact in detail["contacts"]] == ["王芳"]
    assert [line["code"] for line in detail["timeline"]] == ["opened", "offered", "offered", "noted"]
    names = {name for line in detail["timeline"] for name in line["names"].values()}
    assert names == {name for worker, name in (("W1", "张伟"), ("W2", "刘洋"), ("W3", "赵敏")) if worker in offers}
    assert [note["content"] for note in detail["notes"]] == ["楼下有人"]
    assert detail["candidates"]["candidates"][0]["name"] in {"张伟", "刘洋", "赵敏"}
    assert detail["policy_clocks"]["accept_within_s"] == 30
    fresh = await page.get(f"/incidents/{incident_id}/candidates")
    assert {each["state"] for each in fresh["candidates"]} == {"offered", "free", "off"}


async def test_readings_of_the_home_stand_beside_the_call(room: Room) -> None:
    incident_id = await room.press()
    await room.fetch("CREATE TABLE vitals_of_test PARTITION OF vitals FOR VALUES FROM ('2026-03-01') TO ('2026-03-02')")
    row = "INSERT INTO vitals (terminal_id, happened_at, received_at, heart_rate_bpm) VALUES ($1, $2, $2, $3)"
    for terminal, bpm in (("T1", 120.0), ("T1", 120.0), ("T2", 60.0)):
        await room.fetch(row, terminal, room.clock.now(), bpm)
    detail = await (await room.operator()).get(f"/incidents/{incident_id}")
    assert [(each["terminal_id"], each["heart_rate_bpm"]) for each in detail["readings"]] == [("T1", 120.0)]


# --- taking a call ---------------------------------------------------------------------------------------------------


async def test_two_operators_answering_at_the_same_moment_one_has_it_and_the_other_hears_who(room: Room) -> None:
    incident_id = await room.press()
    pages = [await room.operator("li"), await room.operator("chen")]
    answers = await asyncio.gather(*(page.ask("POST", f"/incidents/{incident_id}/answer", {}) for page in pages))
    first, second = sorted(answers, key=lambda answer: answer.status)
    assert first.body["card"]["answered_by"] in {"li", "chen"}
    assert (second.status, second.code) == (409, "already_answered")
    assert second.body["facts"]["by"] == first.body["card"]["answered_by"]
    assert second.body["facts"]["at"].startswith("2026-03-01T08:00:00")


async def test_whoever_has_the_call_may_say_so_again(room: Room) -> None:
    incident_id = await room.press()
    page = await room.operator()
    for _ in range(2):
        card = (await page.post(f"/incidents/{incident_id}/answer"))["card"]
        assert card["answered_by"] == "li"


async def test_assigning_by_hand_offers_with_a_time_of_its_own(room: Room) -> None:
    incident_id = await room.press(key=Key.FAMILY)
    page = await room.operator()
    card = (await page.post(f"/incidents/{incident_id}/assign", {"worker_id": "W3"}))["card"]
    [part] = card["assignments"]
    assert (part["worker_name"], part["state"], part["offered_by"]) == ("赵敏", "offered", "li")
    assert part["eta_s"] > 0
    assert (await page.refused(f"/incidents/{incident_id}/assign", {"worker_id": "W3"})).code == "already_offered"


async def test_a_worker_who_is_off_busy_or_unknown_cannot_be_assigned(room: Room) -> None:
    other, offers = await room.offered("T2")
    incident_id = await room.press(key=Key.FAMILY)
    page = await room.operator()
    busy = await page.refused(f"/incidents/{incident_id}/assign", {"worker_id": next(iter(offers))})
    assert (busy.status, busy.code, busy.body["facts"]["incident_id"]) == (409, "worker_busy", str(other))
    off = await page.refused(f"/incidents/{incident_id}/assign", {"worker_id": "W4"})
    assert (off.status, off.code) == (409, "worker_off_duty")
    unknown = await page.refused(f"/incidents/{incident_id}/assign", {"worker_id": "W99"})
    assert (unknown.status, unknown.code) == (404, "no_such_worker")


async def test_a_released_worker_is_free_again(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    page = await room.operator()
    card = (await page.post(f"/incidents/{incident_id}/release", {"offer_id": offer_id}))["card"]
    assert [each["state"] for each in card["assignments"] if each["worker_id"] == worker_id] == ["withdrawn"]
    states = {each["worker_id"]: each["state"] for each in await page.get("/workers")}
    assert states[worker_id] == "free"
    again = await page.refused(f"/incidents/{incident_id}/release", {"offer_id": offer_id})
    assert (again.status, again.code) == (409, "assignment_ended")


async def test_escalate_hands_raise(room: Room) -> None:
    incident_id = await room.press(key=Key.SERVICE)
    page = await room.operator()
    assert (await page.post(f"/incidents/{incident_id}/escalate"))["card"]["level"] == 1
    assert (await page.post(f"/incidents/{incident_id}/hands"))["card"]["hands"] == 2
    card = (await page.post(f"/incidents/{incident_id}/raise", {"kind": "sos"}))["card"]
    assert (card["kind"], card["band"]) == ("sos", 0)
    assert (await page.refused(f"/incidents/{incident_id}/raise", {"kind": "family"})).code == "not_graver"


async def test_closing_with_an_outcome_and_a_note(room: Room) -> None:
    incident_id = await room.press()
    page = await room.operator()
    card = (await page.post(f"/incidents/{incident_id}/close", {"outcome": "false_alarm", "note": "猫"}))["card"]
    assert (card["state"], card["outcome"], card["next"], card["needs_action"]) == (
        "closed",
        "false_alarm",
        None,
        False,
    )
    assert (await page.get(f"/incidents/{incident_id}"))["notes"][0]["content"] == "猫"
    again = await page.refused(f"/incidents/{incident_id}/close", {"outcome": "assisted"})
    assert (again.status, again.code, again.body["facts"]["outcome"]) == (409, "incident_closed", "false_alarm")
    await page.post(f"/incidents/{incident_id}/note", {"content": "later"})  # a note may still be added


async def test_a_call_is_not_closed_over_a_worker_on_the_way(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    await (await room.phone(worker_id)).post(f"/offers/{offer_id}/accept")
    answer = await (await room.operator()).refused(f"/incidents/{incident_id}/close", {"outcome": "assisted"})
    assert (answer.code, answer.body["facts"]) == ("workers_still_out", {"worker_ids": [worker_id]})


async def test_a_cancel_is_confirmed_by_a_person(room: Room) -> None:
    incident_id = await room.press()
    page = await room.operator()
    assert (await page.refused(f"/incidents/{incident_id}/confirm-cancel")).code == "not_cancelled"
    await room.press(alarm_id="c1", cancel_of="a1")
    [card] = (await page.get("/board"))["incidents"]
    assert card["cancelled_at"] is not None
    assert card["needs_action"]
    card = (await page.post(f"/incidents/{incident_id}/confirm-cancel"))["card"]
    assert (card["state"], card["outcome"]) == ("closed", "cancelled")


# --- a call by hand --------------------------------------------------------------------------------------------------


async def test_a_call_opened_for_a_home_runs_by_the_same_rules(room: Room) -> None:
    page = await room.operator()
    card = (await page.post("/incidents", {"kind": "sos", "home_id": "H1", "note": "phoned in"}))["card"]
    assert (card["origin"], card["answered_by"], card["people"][0]["elder_id"]) == ("operator", "li", "E1")
    await room.assigner.step()
    assert len(await room.offers(card["incident_id"])) == 2
    assert (await page.get(f"/incidents/{card['incident_id']}"))["notes"][0]["content"] == "phoned in"
    again = await page.refused("/incidents", {"kind": "sos", "home_id": "H1"})
    assert (again.status, again.code) == (409, "already_open")
    assert again.body["facts"]["incident_id"] == card["incident_id"]


async def test_a_call_opened_for_an_address_nobody_registered(room: Room) -> None:
    body = {"kind": "fall", "address": "桥下", "place": {"lat": 24.5, "lon": 118.1}}
    card = (await (await room.operator()).post("/incidents", body))["card"]
    assert (card["address"], card["is_known_home"], card["people"]) == ("桥下", False, [])
    assert card["place"]["lat"] == 24.5


async def test_a_call_by_hand_that_names_no_door_is_refused(room: Room) -> None:
    page = await room.operator()
    cases: list[tuple[dict[str, Any], int, str]] = [
        ({"kind": "sos"}, 422, "home_or_address"),
        ({"kind": "sos", "address": "  "}, 422, "home_or_address"),
        ({"kind": "sos", "address": "x", "home_id": "H1"}, 422, "home_or_address"),
        ({"kind": "sos", "home_id": "H99"}, 404, "no_such_home"),
        ({"kind": "vitals", "home_id": "H1"}, 422, "bad_value"),
        ({"kind": "sos", "address": "a\0b"}, 422, "bad_value"),
        ({"kind": "sos", "address": "x", "place": {"lat": 91, "lon": 0}}, 422, "bad_value"),
        ({"kind": "sos", "address": "x", "by": "boss"}, 422, "bad_value"),
    ]
    for body, status, code in cases:
        answer = await page.refused("/incidents", body)
        assert (answer.status, answer.code) == (status, code), body
    assert await room.fetch("SELECT count(*) FROM incident") == [(0,)]


async def test_an_incident_that_does_not_exist(room: Room) -> None:
    page = await room.operator()
    actions: dict[str, dict[str, str]] = {
        "answer": {},
        "assign": {"worker_id": "W1"},
        "release": {"offer_id": NO_SUCH},
        "escalate": {},
        "hands": {},
        "raise": {"kind": "sos"},
        "note": {"content": "x"},
        "close": {"outcome": "assisted"},
        "confirm-cancel": {},
    }
    for action, body in actions.items():
        for incident_id in (NO_SUCH, "4211"):
            answer = await page.refused(f"/incidents/{incident_id}/{action}", body)
            assert (answer.status, answer.code) == (404, "no_such_incident"), action


async def test_looking_at_what_does_not_exist(room: Room) -> None:
    page = await room.operator()
    for path in (f"/incidents/{NO_SUCH}", f"/incidents/{NO_SUCH}/candidates", "/incidents/x"):
        answer = await page.ask("GET", path)
        assert (answer.status, answer.code) == (404, "no_such_incident")


# --- finding a home --------------------------------------------------------------------------------------------------


async def found(page: Browser, text: str) -> list[tuple[str, str]]:
    answer: Answered = await page.ask("GET", "/find", params={"q": text})
    assert answer.status == 200, answer
    return [(each["home_id"], each["by"]) for each in answer.body]


async def test_a_home_is_found_by_what_the_caller_says(room: Room) -> None:
    page = await room.operator()
    for text, homes in (
        ("王秀兰", [("H1", "elder")]),
        ("王秀", [("H1", "elder"), ("H2", "elder")]),
        ("秀", [("H1", "elder"), ("H2", "elder")]),
        ("t1", [("H1", "terminal")]),
        ("13900000001", [("H1", "contact")]),
        ("0592-1234 5678", [("H1", "phone")]),
        ("5678", [("H1", "phone")]),
        ("5925550003", [("H2", "phone")]),
        ("１３８０００００００１　", [("H1", "phone")]),
        ("+86 138 0000 0001", [("H1", "phone")]),
        ("松柏路20", [("H2", "address")]),
        ("50%", [("H3", "address")]),
        ("e_x", [("H3", "address")]),
        ("%", [("H3", "address")]),
        ("nobody", []),
        ("", []),
    ):
        assert await found(page, text) == homes, text


async def test_what_was_found_says_if_a_call_is_open(room: Room) -> None:
    incident_id = await room.press()
    [home] = await (await room.operator()).get("/find?q=T1")
    assert home["open_incident_id"] == str(incident_id)
    assert home["terminal_ids"] == ["T1"]
    assert [person["name"] for person in home["people"]] == ["王秀兰", "陈建国"]
