"""What the rules ask the world to do. Each is carried out only after the commit that decided it.

Effects hold ids and codes; names and sentences are put in at the edge, for whoever is told.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from dispatch.incident.policy import Target
from dispatch.model import AssignmentId, Key, TerminalId, WorkerId


class Stage(StrEnum):
    """How far a call is, as the elder's terminal hears it."""

    STORED = "stored"
    ASSIGNED = "assigned"
    DEPARTED = "departed"
    ARRIVED = "arrived"
    CLOSED = "closed"
    TESTED = "tested"
    CANCELLED = "cancelled"


class Record(msgspec.Struct, frozen=True):
    """Write a line into the incident's log: what happened, who did it, and the facts."""

    code: str
    by: str
    facts: dict[str, Any] = {}


class SendOffer(msgspec.Struct, frozen=True):
    """Put an offer on a worker's phone."""

    offer_id: AssignmentId
    worker_id: WorkerId
    respond_by: datetime


class WithdrawOffer(msgspec.Struct, frozen=True):
    """Take an offer or assignment off a worker's phone, saying why (a code)."""

    offer_id: AssignmentId
    worker_id: WorkerId
    reason: str


class TellWorker(msgspec.Struct, frozen=True):
    """Tell a worker something about the call they hold: a code and its facts."""

    offer_id: AssignmentId
    worker_id: WorkerId
    code: str
    facts: dict[str, Any] = {}


class SendReceipt(msgspec.Struct, frozen=True):
    """Tell the elder, through the terminal, how far the call is. `n` rises within an incident."""

    terminal_id: TerminalId
    alarm_id: str
    n: int
    stage: Stage
    worker_id: WorkerId | None = None
    eta_s: int | None = None


class NotifyOperators(msgspec.Struct, frozen=True):
    """Make the board loud: a code, e.g. `nobody_free` or `arrive_overdue`."""

    code: str
    facts: dict[str, Any] = {}


class NotifyContact(msgspec.Struct, frozen=True):
    """Reach supervisor, contacts or station of this call, as a ladder step says."""

    target: Target
    level: int


class CallOutside(msgspec.Struct, frozen=True):
    """Bring in an outside service (120, 119, 110 …), as a ladder step says."""

    service: str
    level: int


class RaiseIncident(msgspec.Struct, frozen=True):
    """Open (or join) a `safety` incident about a worker, in the same commit."""

    worker_id: WorkerId
    kind: Key


Effect = (
    Record
    | SendOffer
    | WithdrawOffer
    | TellWorker
    | SendReceipt
    | NotifyOperators
    | NotifyContact
    | CallOutside
    | RaiseIncident
)
