"""The process as a whole: what it does while something it needs is away, and who leads when there are two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace as replaced

from dispatch.app import Service, build
from dispatch.app.running import keep_running
from dispatch.board.health import missing_of
from dispatch.clock import SystemClock, VirtualClock, limit
from dispatch.errors import Refused
from dispatch.settings import Http
from dispatch.store.database import migrate
from simulator.servers import MosquittoServer, PostgresServer
from tests.flows.conftest import START, Centre, press, register, running, settings_for

WITHIN_S = 25


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something outside of us has become so; it is asked again and again."""
    async with limit(WITHIN_S):
        while not await holds():
            await SystemClock().sleep(0.05)


async def until_missing(service: Service, *missing: str) -> None:
    async def holds() -> bool:
        return set((await service.readiness()).missing) == set(missing)

    await until(holds)


async def until_role(service: Service, role: str) -> None:
    async def holds() -> bool:
        ready = await service.readiness()
        return ready.role == role and not ready.missing

    await until(holds)


async def ask(centre: Centre, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"{centre.reach.http_url}{path}") as answer:
        return answer.status, await answer.text()


async def press_is_stored(centre: Centre, alarm_id: str) -> dict[str, Any]:
    async with centre.terminal() as terminal:
        await terminal.say(press(alarm_id))
        return await terminal.hear("stored")


async def test_database_and_broker_may_be_away_at_start_and_go_away_in_the_middle(data_dir: Path, centre: str) -> None:
    async with PostgresServer(data_dir / "postgres") as postgres, MosquittoServer(data_dir / "mosquitto") as broker:
        dsn = await postgres.create_database("centre")
        await migrate(dsn)
        await register(dsn)
        postgres.kill9()
        broker.kill9()
        async with running(settings_for(dsn, broker, centre), SystemClock()) as it:
            status, body = await ask(it, "/readyz")
            assert (status, '"missing":["database","start"]' in body) == (503, True)
            assert await ask(it, "/healthz") == (200, '{"alive": true}')

            await postgres.start()
            await until_missing(it.service, "broker_alarms", "broker_vitals", "broker_housekeeping")
            await broker.start()
            await until_role(it.service, "leader")
            await press_is_stored(it, "a1")

            broker.kill9()
            await until_missing(it.service, "broker_alarms", "broker_vitals", "broker_housekeeping")
            await broker.start()
            await until_missing(it.service)
            async with it.terminal() as terminal:
                postgres.kill9()
                await terminal.say(press("a2"))
                await until_missing(it.service, "database")
                await postgres.start()
                await terminal.hear("stored")
            assert await it.fetch("SELECT alarm_id FROM alarm ORDER BY received_at") == ["a1", "a2"]


async def test_an_empty_database_is_waited_for_until_somebody_migrates_it(
    empty_dsn: str, broker: MosquittoServer, centre: str
) -> None:
    async with running(settings_for(empty_dsn, broker, centre), SystemClock()) as it:

        async def has_looked() -> bool:
            return "not migrated" in (await it.service.readiness()).reasons.get("database", "")

        await until(has_looked)
        assert (await it.service.readiness()).missing == ("start",)
        await migrate(empty_dsn)
        await until_role(it.service, "leader")


async def test_a_wrong_password_is_said_and_stops_nothing(dsn: str, broker: MosquittoServer, centre: str) -> None:
    user = dsn.partition("://")[2].partition(":")[0]
    wrong = f"postgresql://{user}:wrong@{dsn.rpartition('@')[2]}"
    async with running(settings_for(wrong, broker, centre), SystemClock()) as it:
        await until_missing(it.service, "database", "start")
        assert "password authentication failed" in (await it.service.readiness()).reasons["database"]


async def test_a_second_one_stands_by_and_takes_over(dsn: str, broker: MosquittoServer, centre: str) -> None:
    await register(dsn)
    settings = settings_for(dsn, broker, centre)
    async with running(replaced(settings, instance="two"), SystemClock()) as second:
        await until_role(second.service, "leader")
        async with running(settings, SystemClock()) as first:
            await until_role(first.service, "standby")
            assert (await ask(first, "/readyz"))[0] == 200
            await press_is_stored(first, "a1")
            async with running(settings, SystemClock()) as third:  # the same instance twice, by mistake
                await until_role(third.service, "standby")
        assert second.service.role == "leader"
        async with running(settings, SystemClock()) as first:
            await until_role(first.service, "standby")
            await second.service.stop()
            await until_role(first.service, "leader")
            await press_is_stored(first, "a2")
            assert await first.fetch("SELECT count(*), max(term) FROM lease") == [(1, 2)]
            assert await first.fetch("SELECT incident_class FROM incident") == ["care"]  # the session was inherited


async def test_the_same_instance_started_again_leads_again(dsn: str, broker: MosquittoServer, centre: str) -> None:
    await register(dsn)
    settings = settings_for(dsn, broker, centre)
    for term in (1, 2, 3):
        async with running(settings, SystemClock()) as it:
            await until_role(it.service, "leader")
            assert it.service.parts.lease.term == term


async def test_a_session_that_the_broker_forgot_is_a_possible_gap(
    dsn: str, broker: MosquittoServer, centre: str
) -> None:
    await register(dsn)
    async with running(settings_for(dsn, broker, centre), SystemClock()) as it:
        await until_role(it.service, "leader")
        assert await it.fetch("SELECT kind FROM incident") == []  # nothing can have been missed before the first start
    async with running(settings_for(dsn, broker, f"{centre}x"), SystemClock()) as it:
        await it.until(
            "SELECT incident_class, kind, subject_id FROM incident", [("centre", "possible_gap", f"{centre}x")]
        )


async def test_health_and_metrics_over_http(town: Centre) -> None:
    async with town.terminal() as terminal:
        await terminal.say(press())
        await terminal.hear("stored")
        await terminal.say([{"at": "2026-03-01T11:00:00+08:00", "heart_rate_bpm": 70}], "vitals")  # type: ignore[arg-type]
        await terminal.say(b"\xff", "alarm")
    await town.until("SELECT count(*) FROM assignment WHERE state = 'offered'", [2])
    await town.until("SELECT count(*) FROM vitals", [1])
    await town.until("SELECT count(*) FROM parked", [1])
    _, text = await ask(town, "/metrics")
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values['dispatch_alarms_total{kind="sos"}'] == "1.0"
    assert values['dispatch_incidents_opened_total{exercise="false",kind="sos"}'] == "1.0"
    assert values['dispatch_stored_to_offered_seconds_count{band="0"}'] == "1.0"
    assert values['dispatch_parked_total{reason="not_json"}'] == "1.0"
    assert values['dispatch_mqtt_connected{lane="alarms"}'] == "1.0"
    assert values['dispatch_mqtt_messages_total{lane="alarms",what="received"}'] == "2.0"
    assert values["dispatch_readings_total"] == "1.0"
    assert values["dispatch_leading"] == "1.0"
    assert not [name for name in values if name.startswith("dispatch_failures_total")]
    assert "T1" not in text  # no terminal, home or person in a label
    status, body = await ask(town, "/readyz")
    assert (status, '"role":"leader"' in body) == (200, True)


async def test_a_busy_port_is_named(town: Centre) -> None:
    settings = town.service.parts.settings
    service = await build(replaced(settings, http=Http(port=town.service.http_port)), VirtualClock(START))
    with pytest.raises(Refused) as refused:
        await service.start()
    assert refused.value.code == "port_busy"
    assert refused.value.params["port"] == town.service.http_port


async def test_a_part_that_fails_is_said_counted_and_started_again() -> None:
    clock, failures, runs = VirtualClock(START), list[str](), list[int]()

    async def run() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ZeroDivisionError
        if len(runs) == 3:
            await asyncio.get_running_loop().create_future()

    keeping = asyncio.ensure_future(keep_running("thing", run, clock, failures.append))
    await clock.advance(0)
    for expected in (1, 2, 3):
        while len(runs) < expected:
            await clock.advance(1)
            await clock.sleep(0)
    assert failures == ["thing", "thing"]
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


@pytest.mark.parametrize(
    ("how", "missing"),
    [
        ({}, ()),
        ({"role": "standby", "broker": {}}, ()),
        ({"role": "starting", "broker": {}}, ("start",)),
        ({"database": False, "receipt_unsent_s": None, "lag_s": None}, ("database",)),
        ({"broker": {"alarms": False, "vitals": True}}, ("broker_alarms",)),
        ({"receipt_unsent_s": 31.0}, ("outbox",)),
        ({"lag_s": 6.0}, ("timers",)),
        ({"role": "standby", "broker": {}, "lag_s": 6.0}, ()),
    ],
)
def test_what_keeps_a_process_from_its_work(how: dict[str, Any], missing: tuple[str, ...]) -> None:
    fine: dict[str, Any] = {
        "role": "leader",
        "database": True,
        "broker": {"alarms": True},
        "receipt_unsent_s": 0.0,
        "lag_s": 0.0,
    }
    assert missing_of(**(fine | how)) == missing
