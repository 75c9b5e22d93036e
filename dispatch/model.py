"""The shared nouns. Instants are aware UTC datetimes, places are WGS-84, durations carry their unit in the name."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NewType
from uuid import UUID

import msgspec

HomeId = NewType("HomeId", str)
ElderId = NewType("ElderId", str)
TerminalId = NewType("TerminalId", str)
WorkerId = NewType("WorkerId", str)
StationId = NewType("StationId", str)
IncidentId = NewType("IncidentId", UUID)
AssignmentId = NewType("AssignmentId", UUID)
"""An offer's row goes on as the assignment, so the offer's id is this id as well."""


class Band(IntEnum):
    """How grave a call is; a lower number always goes first."""

    LIFE = 0
    URGENT = 1
    ORDINARY = 2
    SERVICE = 3


class Key(StrEnum):
    """What was pressed or sensed: the kinds of alarm, each with a policy of its own."""

    SOS = "sos"
    FALL = "fall"
    FIRE = "fire"
    FAMILY = "family"
    SERVICE = "service"
    CONSULT = "consult"
    VITALS = "vitals"
    VITALS_URGENT = "vitals_urgent"
    TREND = "trend"
    NO_ACTIVITY = "no_activity"
    MEASURE_AGAIN = "measure_again"
    UNREADABLE = "unreadable"
    WORKER_SAFETY = "worker_safety"
    POSSIBLE_GAP = "possible_gap"
    AUDITOR = "auditor"
    CANARY = "canary"
    NO_BOARD = "no_board"
    NOBODY_ANSWERS = "nobody_answers"


CENTRE_KEYS = frozenset({Key.POSSIBLE_GAP, Key.AUDITOR, Key.CANARY, Key.NO_BOARD, Key.NOBODY_ANSWERS})
"""What the service says of itself."""

TERMINAL_KEYS = frozenset({Key.SOS, Key.FALL, Key.FIRE, Key.FAMILY, Key.SERVICE, Key.CONSULT})
"""The keys a terminal may name in an alarm; the others are said by the service itself."""


class Origin(StrEnum):
    """Who said that help is needed."""

    TERMINAL = "terminal"
    VITALS = "vitals"
    OPERATOR = "operator"
    WORKER = "worker"
    SERVICE = "service"


class Travel(StrEnum):
    """How a worker gets about."""

    WALK = "walk"
    BICYCLE = "bicycle"
    EBIKE = "ebike"
    CAR = "car"


class Place(msgspec.Struct, frozen=True):
    """A point on the earth in WGS-84 degrees; other datums are converted where they come in (`dispatch.places`)."""

    lat: float
    lon: float
    accuracy_m: float | None = None


class Access(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last hundred metres to a home's door."""

    floor: int | None = None
    has_lift: bool | None = None
    door_code: str | None = None
    key_safe: str | None = None
    note: str | None = None


class Station(msgspec.Struct, frozen=True):
    """Where workers start from; belongs to an organisation in a district."""

    id: StationId
    name: str
    place: Place
    phone: str | None = None
    organisation: str | None = None
    district: str | None = None


class Home(msgspec.Struct, frozen=True):
    """A place with residents and terminals. `is_known` is False for the home made up for an unknown terminal."""

    id: HomeId
    address: str = ""
    place: Place | None = None
    access: Access = Access()
    station_id: StationId | None = None
    is_known: bool = True


class Elder(msgspec.Struct, frozen=True):
    """A resident who may call; `risks` are codes such as `lives_alone`, `heart`, `diabetes`."""

    id: ElderId
    name: str
    birth_year: int | None = None
    phone: str | None = None
    risks: tuple[str, ...] = ()
    note: str | None = None


class Contact(msgspec.Struct, frozen=True):
    """Somebody to call for a home, in ascending `rank`."""

    home_id: HomeId
    rank: int
    name: str
    relation: str
    phone: str
    has_key: bool = False


class Terminal(msgspec.Struct, frozen=True):
    """A device at a home; `elder_id` when it is worn by or measures one resident."""

    id: TerminalId
    home_id: HomeId
    elder_id: ElderId | None = None
    kind: str = "onekey"
    phone: str | None = None


class Worker(msgspec.Struct, frozen=True):
    """Somebody who can go to a door. `place` is the last position heard, at `place_at`."""

    id: WorkerId
    name: str
    station_id: StationId
    travel: Travel
    phone: str | None = None
    skills: frozenset[str] = frozenset()
    is_on_duty: bool = False
    place: Place | None = None
    place_at: datetime | None = None


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why readings rang: `code` as in the alarm's flaws, and what was told of some parameters from `since_at` to `at`.

    `values` are the last of them by the names of `Vitals`; `score` is what they score together, where that rang.
    """

    code: str
    since_at: datetime
    at: datetime
    values: dict[str, float]
    score: int | None = None


class Alarm(msgspec.Struct, frozen=True):
    """One press, fall or fire as a terminal told it (DESIGN.md section 5), or a critical reading.

    `alarm_id` is the terminal's own id for it; `digest` covers id, time and content, so an exact repeat has the same.
    `happened_at` is the device's word and None when it said nothing usable; clocks run on `received_at`.
    `cancel_of` names the alarm that this message takes back. `flaws` are codes for what was wrong but not fatal, or for
    what critical readings cross; `causes` are those readings.
    """

    terminal_id: TerminalId
    alarm_id: str
    key: Key
    received_at: datetime
    digest: bytes
    happened_at: datetime | None = None
    is_test: bool = False
    cancel_of: str | None = None
    battery_percent: float | None = None
    place: Place | None = None
    flaws: tuple[str, ...] = ()
    origin: Origin = Origin.TERMINAL
    causes: tuple[Cause, ...] = ()


class Vitals(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One reading; a field that was not measured is None. Units are in the names."""

    terminal_id: TerminalId
    received_at: datetime
    happened_at: datetime | None = None
    heart_rate_bpm: float | None = None
    spo2_percent: float | None = None
    systolic_mmhg: float | None = None
    diastolic_mmhg: float | None = None
    temperature_c: float | None = None
    temperature_site: str | None = None
    respiration_per_min: float | None = None


class Fault(msgspec.Struct, frozen=True):
    """A technical trouble a terminal reports of itself; `is_on` False when it has passed."""

    terminal_id: TerminalId
    fault_id: str
    fault: str
    is_on: bool
    received_at: datetime
    happened_at: datetime | None = None


class TerminalState(msgspec.Struct, frozen=True):
    """`ready`, `sleeping`, or `lost` (the will); a `lost` counts only for the session that the last `ready` named."""

    terminal_id: TerminalId
    state: str
    session: str
    received_at: datetime
    happened_at: datetime | None = None
    firmware: str | None = None


class Beat(msgspec.Struct, frozen=True):
    """A sign of life."""

    terminal_id: TerminalId
    received_at: datetime
    n: int | None = None
    battery_percent: float | None = None
    is_on_mains: bool | None = None
    rssi_dbm: float | None = None


class CommandReply(msgspec.Struct, frozen=True):
    """What became of a command sent down to a terminal."""

    terminal_id: TerminalId
    command_id: str
    state: str
    received_at: datetime
    result: str | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """A message that could not be used, with the reason as a code and a short explanation of ours."""

    terminal_id: TerminalId | None
    topic: str
    payload: bytes
    reason: str
    detail: str
    received_at: datetime
