"""What nobody should ever send: each gets a clear answer, and nothing of anybody else's is lost."""

from __future__ import annotations

import asyncio
import socket

import aiomqtt
import msgspec
import pytest

from dispatch.errors import Refused

from .conftest import Centre, press

AT = "2026-03-01T11:00:00+08:00"
BAD = {
    "undecodable": b"\xff\xfe\x00 not json",
    "empty": b"",
    "wrong_types": msgspec.json.encode({"id": 5.5, "at": {}, "key": ["sos"]}),
    "unknown_key": msgspec.json.encode(press(key="lottery")),
    "nul_in_id": b'{"id":"a\\u0000b","at":"%s","key":"sos"}' % AT.encode(),
    "lone_surrogate_in_id": b'{"id":"a\\ud800b","at":"%s","key":"sos"}' % AT.encode(),
    "year_300000": b'{"id":"a1","at":"300000-01-01T00:00:00Z","key":"sos"}',
    "too_deep": b"[" * 5_000 + b"]" * 5_000,
}


async def flood(town: Centre, first: int, count: int) -> None:
    """Many terminals press at once, through one connection."""
    async with aiomqtt.Client("127.0.0.1", town.reach.mqtt_port) as client:
        root = f"onekey/1/{town.reach.centre_id}"
        await asyncio.gather(
            *(
                client.publish(f"{root}/T{n}/alarm", msgspec.json.encode(press(f"a{n}")), qos=1)
                for n in range(first, first + count)
            )
        )


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_message_among_500_good_presses_costs_none_of_them(town: Centre, name: str) -> None:
    async with town.terminal("T1") as terminal:
        before, after = asyncio.create_task(flood(town, 2, 250)), asyncio.create_task(flood(town, 252, 250))
        await terminal.say(BAD[name])
        await asyncio.gather(before, after)
    await town.until("SELECT count(*) FROM incident WHERE kind = 'sos' AND subject_id <> 'H1'", [500])
    await town.until("SELECT band <= 1, alarms FROM incident WHERE subject_id = 'H1'", [(True, 1)])
    if name != "year_300000":  # that one is a readable press whose clock is wrong
        await town.until("SELECT count(*) FROM parked", [1])
        assert await town.fetch("SELECT kind FROM incident WHERE subject_id = 'H1'") == ["unreadable"]


async def test_a_message_of_a_megabyte_is_refused_by_the_broker_and_disturbs_nobody(town: Centre) -> None:
    topic = f"onekey/1/{town.reach.centre_id}/T1/alarm"
    with pytest.raises(aiomqtt.MqttError):
        async with aiomqtt.Client("127.0.0.1", town.reach.mqtt_port, timeout=1) as client:
            await client.publish(topic, b"x" * 1_000_000, qos=1)
    async with town.terminal("T2") as terminal:
        await terminal.say(press())
        await terminal.hear("stored")


async def test_what_an_unregistered_terminal_says_unreadably_is_parked_and_counted_but_no_call(town: Centre) -> None:
    async with town.terminal("nobody") as terminal:
        await terminal.say(b"{")
        await town.until("SELECT reason <> '' FROM parked", [True])
        await terminal.say(press())
        await terminal.hear("stored")
    assert await town.fetch("SELECT subject_id, kind FROM incident") == [("terminal:nobody", "sos")]
    operator = await town.operator()
    assert (await operator.get("/board"))["centre"]["parked"] == 1


@pytest.mark.parametrize("at", ["1970-01-01T00:00:00Z", "2099-12-31T23:59:59+08:00", "yesterday", ""])
async def test_a_clock_that_is_years_off_changes_nothing(town: Centre, at: str) -> None:
    async with town.terminal() as terminal:
        await terminal.say(press() | {"at": at})
        await terminal.hear("stored")
    now = town.clock.now()
    assert await town.fetch("SELECT received_at <= $1, opened_at <= $1 FROM alarm, incident", now) == [(True, True)]


async def test_the_same_id_at_another_time_is_a_new_alarm_marked_so(town: Centre) -> None:
    async with town.terminal() as terminal:
        await terminal.say(press())
        await terminal.hear("stored")
        await terminal.say(press() | {"at": "2026-03-01T11:00:01+08:00"})
        await terminal.hear("stored")
    assert await town.fetch("SELECT flaws FROM alarm ORDER BY row_id") == [[], ["id_reused"]]


async def test_two_alarms_a_millisecond_apart_are_one_call(town: Centre) -> None:
    async with town.terminal() as one, aiomqtt.Client("127.0.0.1", town.reach.mqtt_port) as other:
        topic = f"onekey/1/{town.reach.centre_id}/T1/alarm"
        await asyncio.gather(
            one.say(press("a1")), other.publish(topic, msgspec.json.encode(press("a2", "fall")), qos=1)
        )
        await town.until("SELECT alarms FROM incident", [2])


@pytest.mark.parametrize("topic", ["", "T1/alarm/extra", "T1/alarms", "/alarm", "T 1/alarm"])
async def test_a_topic_that_does_not_parse_harms_nobody(town: Centre, topic: str) -> None:
    async with aiomqtt.Client("127.0.0.1", town.reach.mqtt_port) as client, town.terminal("T2") as terminal:
        await client.publish(f"onekey/1/{town.reach.centre_id}/{topic}", msgspec.json.encode(press()), qos=1)
        await terminal.say(press())
        await terminal.hear("stored")


async def test_an_accept_after_the_offer_lapsed_and_from_the_wrong_worker(town: Centre) -> None:
    phones = {name: await town.worker(name) for name in ("W2", "W3")}
    async with town.terminal() as terminal:
        await terminal.say(press())
        await town.until("SELECT worker_id FROM assignment WHERE state = 'offered' ORDER BY 1", ["W2", "W3"])
        mine = (await phones["W2"].get("/worker"))["call"]["offer_id"]
        with pytest.raises(Refused) as refused:
            await phones["W3"].post(f"/offers/{mine}/accept")
        assert refused.value.code == "not_yours"
        theirs = (await phones["W3"].get("/worker"))["call"]["offer_id"]
        await phones["W3"].post(f"/offers/{theirs}/accept")
        with pytest.raises(Refused) as refused:
            await phones["W2"].post(f"/offers/{mine}/accept")
        assert refused.value.code == "taken_by_other"


async def test_bytes_that_are_no_http_do_not_stop_the_pages(town: Centre) -> None:
    port = int(town.reach.http_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as link:
        link.sendall(b"\x16\x03\x01 not http at all\r\n\r\n")
    operator = await town.operator()
    assert (await operator.get("/board"))["incidents"] == []
