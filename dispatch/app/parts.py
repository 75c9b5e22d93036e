"""The parts that live as long as the process, built from the settings; nothing here does anything yet."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from dispatch import logs, tls
from dispatch.clock import Clock
from dispatch.devices.presence import Presence
from dispatch.devices.registry import Registry
from dispatch.devices.rounds import Rounds
from dispatch.engine import Committed, Engine, Part
from dispatch.engine.lease import InstanceLock, Lease
from dispatch.errors import SteppedDown
from dispatch.incident.effects import Record
from dispatch.incident.policy import Policies
from dispatch.metrics import Metrics
from dispatch.mqtt import Address
from dispatch.router.assigner import Assigner
from dispatch.router.deadlines import Deadlines
from dispatch.settings import Settings, load_policies
from dispatch.store.database import Database
from dispatch.store.hours import Hours
from dispatch.store.keeper import Keeper
from dispatch.store.one_connection import OneConnection


@dataclass(frozen=True)
class Databases:
    """A pool for each purpose, so that no flood of one kind leaves another without a connection."""

    engine: Database
    new_calls: list[Database]
    due_clocks: list[Database]
    lease: Database
    router: Database
    board: Database
    vitals: Database
    house: Database
    watch: Database

    def all(self) -> list[Database]:
        return [
            self.engine,
            *self.new_calls,
            *self.due_clocks,
            self.lease,
            self.router,
            self.board,
            self.vitals,
            self.house,
            self.watch,
        ]


@dataclass(frozen=True)
class Parts:
    """What the process is made of."""

    settings: Settings
    clock: Clock
    policies: Policies
    broker: Address
    databases: Databases
    metrics: Metrics
    lock: InstanceLock
    lease: Lease
    engine: Engine
    registry: Registry
    presence: Presence
    assigner: Assigner
    deadlines: Deadlines
    keeper: Keeper
    hours: Hours
    rounds: Rounds


def make_parts(settings: Settings, clock: Clock) -> Parts:
    """Build them. Raises BadSettings for a wrong policy or TLS file."""
    policies, broker = load_policies(settings), broker_of(settings)
    databases = _databases(settings.database_url)
    metrics, lock = Metrics(), InstanceLock(lock_file(settings))
    lease = Lease(databases.lease, clock, settings.instance, lock)
    engine = Engine(
        databases.engine,
        clock,
        policies,
        lambda: term_of(lease),
        databases.new_calls,
        databases.due_clocks,
        lease.is_ours,
    )
    assigner = Assigner(databases.router, clock, engine)
    deadlines = Deadlines(databases.router, clock, engine, metrics.timer_lag)
    for listener in (metrics.committed, assigner.on_committed, deadlines.on_committed, log_committed):
        engine.listen(listener)
    return Parts(
        settings=settings,
        clock=clock,
        policies=policies,
        broker=broker,
        databases=databases,
        metrics=metrics,
        lock=lock,
        lease=lease,
        engine=engine,
        registry=Registry(databases.house, clock, engine.raise_alarms),
        presence=Presence(databases.house, engine.happen),
        assigner=assigner,
        deadlines=deadlines,
        keeper=Keeper(databases.house, clock, msgspec.structs.asdict(settings.retention_days)),
        hours=Hours(databases.house, clock),
        rounds=Rounds(databases.house, clock, engine.submit, settings.time_zone),
    )


def log_committed(committed: Committed) -> None:
    """One line in the technical log for each incident that a commit changed: which, how far it is, what happened."""
    logs.several("incidents", "committed", map(_facts, committed.parts))


def _facts(part: Part) -> dict[str, object]:
    codes = [effect.code for effect in part.effects if isinstance(effect, Record)]
    return {"incident_id": str(part.after.id), "state": part.after.state.value, "happened": codes}


def _databases(url: str) -> Databases:
    return Databases(
        engine=OneConnection(url, dispatching=True),
        new_calls=[OneConnection(url, dispatching=True) for _ in range(2)],
        due_clocks=[OneConnection(url, dispatching=True) for _ in range(2)],
        lease=Database(url, size=2, dispatching=True),
        router=Database(url, size=4, is_planned_once=True),
        board=Database(url, size=8, is_planned_once=True),
        vitals=Database(url, size=2),
        house=Database(url, size=3),
        watch=Database(url, size=2, is_planned_once=True),
    )


def broker_of(settings: Settings) -> Address:
    """Where the broker is. Raises BadSettings for a TLS file that does not serve."""
    mqtt = settings.mqtt
    return Address(mqtt.host, mqtt.port, mqtt.username, mqtt.password, tls.to_broker(mqtt))


def term_of(lease: Lease) -> int:
    """The term held; raises SteppedDown while standing by, so that nothing is dispatched outside a lease."""
    if lease.term is None:
        raise SteppedDown("not_leading")
    return lease.term


def lock_file(settings: Settings) -> Path:
    """A file of this machine that stands for this instance of this centre, on this database."""
    named = f"{settings.centre_id} {settings.instance} {settings.database_url}"
    folder = Path(tempfile.gettempdir()) / f"onekey-dispatch-{os.getuid()}"
    return folder / f"{hashlib.sha256(named.encode()).hexdigest()[:24]}.lock"
