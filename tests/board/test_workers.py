"""What a worker's phone does and sees: no more than its own call, and of that no more than is needed now."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from dispatch.model import Key, WorkerId

from .conftest import Browser, Room

NO_SUCH = "0197a000-0000-7000-8000-000000000000"


async def accepted(room: Room, key: Key = Key.SOS) -> tuple[str, str, str, Browser]:
    """Incident, worker, offer and phone of a call that somebody has said yes to."""
    incident_id, offers = await room.offered(key=key)
    worker_id, offer_id = next(iter(offers.items()))
    phone = await room.phone(worker_id)
    await phone.post(f"/offers/{offer_id}/accept")
    return str(incident_id), worker_id, offer_id, phone


async def test_from_the_offer_to_the_end(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    phone = await room.phone(worker_id)
    view = await phone.get("/worker")
    assert (view["call"]["offer_id"], view["call"]["state"]) == (offer_id, "offered")
    assert view["call"]["due_at"] == "2026-03-01T08:00:30Z"
    for tap, state in (("seen", "offered"), ("accept", "accepted"), ("depart", "en_route"), ("arrive", "on_scene")):
        view = await phone.post(f"/offers/{offer_id}/{tap}")
        assert view["call"]["state"] == state
    await phone.post(f"/offers/{offer_id}/ok")
    view = await phone.post(f"/offers/{offer_id}/finish", {"outcome": "assisted", "note": "扶起, 无伤"})
    assert (view["call"], view["ended"], view["worker"]["state"]) == (None, None, "free")
    detail = await (await room.operator()).get(f"/incidents/{incident_id}")
    assert [each["state"] for each in detail["card"]["assignments"] if each["worker_id"] == worker_id] == ["finished"]
    assert [(note["by"], note["content"]) for note in detail["notes"]] == [(worker_id, "扶起, 无伤")]


async def test_codes_numbers_and_health_come_with_the_yes_and_go_with_the_end(room: Room) -> None:
    _, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    phone = await room.phone(worker_id)
    secrets = ("1357#", "13900000001", "13800000001", "heart", "青霉素")
    asked = str(await phone.get("/worker"))
    assert "松柏路1号502" in asked
    assert not [secret for secret in secrets if secret in asked]
    assert (await phone.get("/worker"))["call"]["access"] == {"floor": 5, "has_lift": False}
    going = str(await phone.post(f"/offers/{offer_id}/accept"))
    assert not [secret for secret in secrets if secret not in going]
    after = str(await phone.post(f"/offers/{offer_id}/decline", {"reason": "unwell"}))
    assert not [secret for secret in (*secrets, "松柏路") if secret in after]


async def test_a_tap_that_got_no_answer_may_be_tapped_again(room: Room) -> None:
    _, _, offer_id, phone = await accepted(room)
    await phone.post(f"/offers/{offer_id}/accept")
    for tap in ("depart", "depart", "arrive", "arrive", "depart", "accept", "seen"):
        await phone.post(f"/offers/{offer_id}/{tap}")
    for _ in range(2):
        await phone.post(f"/offers/{offer_id}/finish", {"outcome": "assisted", "note": "once"})
    assert await room.fetch("SELECT count(*) FROM note") == [(1,)]


async def test_taps_out_of_order_are_refused_with_the_reason(room: Room) -> None:
    _, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    phone = await room.phone(worker_id)
    for tap, body, code in (
        ("depart", {}, "not_accepted"),
        ("finish", {"outcome": "assisted"}, "not_accepted"),
        ("ok", {}, "not_accepted"),
        ("hands", {}, "not_accepted"),
        ("confirm-cancel", {}, "not_accepted"),
    ):
        answer = await phone.refused(f"/offers/{offer_id}/{tap}", body)
        assert (answer.status, answer.code) == (409, code)


async def test_another_workers_offer_does_not_exist_for_me(room: Room) -> None:
    _, offers = await room.offered()
    other = next(iter({"W1", "W2", "W3"} - offers.keys()))
    phone = await room.phone(other)
    for tap in ("seen", "accept", "depart", "arrive", "ok", "hands", "confirm-cancel"):
        for offer_id in (next(iter(offers.values())), NO_SUCH, "x"):
            answer = await phone.refused(f"/offers/{offer_id}/{tap}")
            assert (answer.status, answer.code) == (404, "not_yours"), tap


async def test_two_workers_accepting_at_the_same_moment_one_has_the_call(room: Room) -> None:
    _, offers = await room.offered()
    phones = {worker_id: await room.phone(worker_id) for worker_id in offers}
    answers = await asyncio.gather(
        *(phones[worker_id].ask("POST", f"/offers/{offer_id}/accept", {}) for worker_id, offer_id in offers.items())
    )
    won, lost = sorted(answers, key=lambda answer: answer.status)
    assert won.body["call"]["state"] == "accepted"
    assert (lost.status, lost.code, lost.body["facts"]) == (
        409, "taken_by_other", {"worker_ids": [won.body["worker"]["worker_id"]]}
    )  # fmt: skip
    loser = next(iter(offers.keys() - {won.body["worker"]["worker_id"]}))
    view = await phones[loser].get("/worker")
    assert (view["call"], view["ended"]) == (None, "answered")


async def test_a_late_yes_becomes_a_new_offer_if_nobody_else_has_the_call(room: Room) -> None:
    _, offers = await room.offered()
    worker_id, offer_id = next(iter(offers.items()))
    phone = await room.phone(worker_id)
    await room.pass_s(31)
    view = await phone.get("/worker")
    assert (view["call"], view["ended"], view["ended_offer_id"]) == (None, "lapsed", offer_id)
    view = await phone.post(f"/offers/{offer_id}/accept")
    assert view["call"]["state"] == "offered"
    assert view["call"]["offer_id"] != offer_id
    view = await phone.post(f"/offers/{view['call']['offer_id']}/accept")
    assert view["call"]["state"] == "accepted"


async def test_why_a_call_went_away_is_not_said_for_ever(room: Room) -> None:
    _, offers = await room.offered()
    phone = await room.phone(next(iter(offers)))
    await room.pass_s(31)
    room.leap(timedelta(minutes=11))
    assert (await phone.get("/worker"))["ended"] is None


async def test_somebody_given_up_who_arrives_after_all_has_arrived(room: Room) -> None:
    _, _, offer_id, phone = await accepted(room)
    await room.pass_s(121)
    question = (await phone.get("/worker"))["call"]["question"]
    assert question == {
        "code": "have_you_departed", "at": "2026-03-01T08:02:01Z", "answer_by": "2026-03-01T08:02:31Z"
    }  # fmt: skip
    await room.pass_s(31)
    view = await phone.get("/worker")
    assert (view["ended"], view["ended_offer_id"]) == ("not_departed", offer_id)
    view = await phone.post(f"/offers/{view['ended_offer_id']}/arrive")
    assert view["call"]["state"] == "on_scene"


async def test_what_the_centre_asks(room: Room) -> None:
    incident_id, _, offer_id, phone = await accepted(room, Key.SERVICE)
    await phone.post(f"/offers/{offer_id}/arrive")
    assert (await phone.get("/worker"))["call"]["question"] is None
    await room.clock.advance(1)
    await room.press(key=Key.SOS, alarm_id="a2")
    assert (await phone.get("/worker"))["call"]["question"]["code"] == "graver"
    await room.press(alarm_id="c1", cancel_of="a2")
    assert (await phone.get("/worker"))["call"]["question"]["code"] == "cancelled"
    await room.pass_s(1200)
    question = (await phone.get("/worker"))["call"]["question"]
    assert question["code"] == "are_you_safe"
    assert question["answer_by"] > question["at"]
    await phone.post(f"/offers/{offer_id}/ok")
    assert (await phone.get("/worker"))["call"]["question"]["code"] == "cancelled"
    await phone.post(f"/offers/{offer_id}/confirm-cancel")
    view = await phone.get("/worker")
    assert (view["call"], view["ended"]) == (None, "cancelled")
    card = (await (await room.operator()).get(f"/incidents/{incident_id}"))["card"]
    assert card["outcome"] == "cancelled"


async def test_a_worker_asks_for_one_more(room: Room) -> None:
    incident_id, _, offer_id, phone = await accepted(room)
    await phone.post(f"/offers/{offer_id}/hands")
    card = (await (await room.operator()).get(f"/incidents/{incident_id}"))["card"]
    assert card["hands"] == 2
    assert card["wants"] > 0


# --- duty ------------------------------------------------------------------------------------------------------------


async def test_coming_on_duty_reaches_the_router_and_the_board(room: Room) -> None:
    await room.assigner.step()
    phone = await room.phone("W4")
    view = await phone.post("/worker/duty", {"is_on_duty": True})
    assert view["is_on_duty"]
    assert room.assigner.crew.column("is_on_duty")[room.assigner.crew.row_of["W4"]]  # type: ignore[index]
    states = {each["worker_id"]: each["state"] for each in (await (await room.operator()).get("/board"))["workers"]}
    assert states["W4"] == "free"


async def test_nobody_goes_off_duty_with_a_call(room: Room) -> None:
    _, _, _, phone = await accepted(room)
    answer = await phone.refused("/worker/duty", {"is_on_duty": False})
    assert (answer.status, answer.code) == (409, "has_call")
    assert (await phone.get("/worker"))["is_on_duty"]


async def test_going_off_duty_declines_the_open_offer(room: Room) -> None:
    incident_id, offers = await room.offered()
    worker_id = next(iter(offers))
    view = await (await room.phone(worker_id)).post("/worker/duty", {"is_on_duty": False})
    assert (view["is_on_duty"], view["call"], view["worker"]["state"]) == (False, None, "off")
    detail = await (await room.operator()).get(f"/incidents/{incident_id}")
    [part] = [each for each in detail["card"]["assignments"] if each["worker_id"] == worker_id]
    assert (part["state"], part["end_reason"]) == ("declined", "off_duty_soon")


# --- where they are --------------------------------------------------------------------------------------------------


async def test_positions_are_gathered_and_the_last_one_is_kept(room: Room) -> None:
    await room.assigner.step()
    phone = await room.phone("W1")
    for lat in (24.5, 24.6):
        assert await phone.post("/worker/place", {"lat": lat, "lon": 118.2, "accuracy_m": 12}) == {}
    assert await room.board.positions.step() == 1
    assert await room.fetch("SELECT lat, lon, accuracy_m, place_at FROM worker WHERE worker_id = 'W1'") == [
        (24.6, 118.2, 12.0, room.clock.now())
    ]
    assert room.assigner.crew.standing_of(WorkerId("W1")).lat == 24.6


async def test_a_position_in_a_chinese_datum_is_converted(room: Room) -> None:
    await (await room.phone("W1")).post("/worker/place", {"lat": 24.5, "lon": 118.2, "datum": "gcj02"})
    await room.board.positions.step()
    [(lat, lon)] = await room.fetch("SELECT lat, lon FROM worker WHERE worker_id = 'W1'")
    assert 0.001 < abs(lat - 24.5) < 0.01
    assert 0.001 < abs(lon - 118.2) < 0.01


async def test_an_old_position_never_replaces_a_newer_one_and_none_is_of_the_future(room: Room) -> None:
    phone = await room.phone("W1")
    await phone.post("/worker/place", {"lat": 24.5, "lon": 118.2, "at": "2030-01-01T00:00:00+08:00"})
    await room.board.positions.step()
    await phone.post("/worker/place", {"lat": 1, "lon": 1, "at": "2026-03-01T15:59:00+08:00"})
    await room.board.positions.step()
    assert await room.fetch("SELECT lat, place_at FROM worker WHERE worker_id = 'W1'") == [(24.5, room.clock.now())]


async def test_what_is_no_place_is_refused(room: Room) -> None:
    phone = await room.phone("W1")
    bodies: list[dict[str, object]] = [
        {"lat": 91, "lon": 0},
        {"lat": 1},
        {"lat": "1", "lon": 2},
        {"lat": 1, "lon": 2, "at": "2026-03-01T08:00:00"},
        {"lat": 1, "lon": 2, "datum": "mars"},
    ]
    for body in bodies:
        answer = await phone.refused("/worker/place", body)
        assert (answer.status, answer.code) == (422, "bad_value"), body
