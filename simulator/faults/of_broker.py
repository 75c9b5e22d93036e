"""Faults of the broker: killed, frozen, forgetful, full."""

from __future__ import annotations

import signal

import aiomqtt
from aiomqtt import ProtocolVersion

from simulator.faults.fault import Fault, Size
from simulator.faults.ground import CENTRE, Ground, Setting, within

ALARMS_SESSION = f"{CENTRE}-alarms-0"
"""The client id under which the leader hears alarms."""


async def _kill_broker(on: Ground) -> None:
    on.broker.kill9()


async def _start_empty_broker(on: Ground) -> None:
    await on.broker.start(fresh=True)


async def _freeze_broker(on: Ground) -> None:
    on.broker.send(signal.SIGSTOP)


async def _thaw_broker(on: Ground) -> None:
    on.broker.send(signal.SIGCONT)


async def _gap_is_shown(on: Ground) -> list[str]:
    """The board says that something may have been missed."""

    async def is_told() -> bool:
        return bool(await on.fetch("SELECT FROM incident WHERE kind = 'possible_gap'"))

    on.notes["gap_told_s"] = round(await within(15, on.clock, is_told), 2)
    return []


async def _lose_session(on: Ground) -> None:
    """The service is down, and somebody takes its session at the broker away: what is pressed now reaches nobody."""
    on.one.kill9()
    async with aiomqtt.Client(
        on.reach.mqtt_host, on.reach.mqtt_port, identifier=ALARMS_SESSION, protocol=ProtocolVersion.V5, clean_start=True
    ):
        pass


async def _kill_service(on: Ground) -> None:
    on.one.kill9()


async def _launch_service(on: Ground) -> None:
    on.one.launch()


async def _something_was_dropped(on: Ground) -> list[str]:
    """The broker had no room for some, and the board says so."""
    wrong = await _gap_is_shown(on)
    dropped = await on.fetch("SELECT facts FROM incident_log WHERE facts::text LIKE '%dropped%' LIMIT 1")
    return wrong if dropped else [*wrong, "the broker never dropped anything"]


BROKER = (
    Fault(
        "broker_killed_empty",
        "kill -9 of the broker, which comes back with an empty store",
        _kill_broker,
        _start_empty_broker,
        Size(5, times=3),
        Size(0.5, settles_s=0.7),
        look=_gap_is_shown,
    ),
    Fault("broker_frozen", "the broker is frozen (SIGSTOP)", _freeze_broker, _thaw_broker, Size(25)),
    Fault(
        "session_lost",
        "the broker has lost the service's session",
        _lose_session,
        _launch_service,
        Size(5),
        look=_gap_is_shown,
    ),
    Fault(
        "queue_limit",
        "the service is down until the broker's queue (20 messages) is full",
        _kill_service,
        _launch_service,
        Size(15),
        setting=Setting(broker_limits={"max_queued_messages": "20", "sys_interval": "1"}),
        look=_something_was_dropped,
    ),
)
