"""Our own contract for terminals (DESIGN.md section 5): JSON on `onekey/1/<centre>/<terminal>/…`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from dispatch.devices import fields
from dispatch.devices.kinds import Heard, Lane, Topic
from dispatch.errors import BadInput
from dispatch.model import (
    TERMINAL_KEYS,
    Alarm,
    Beat,
    CommandReply,
    Fault,
    Key,
    TerminalId,
    TerminalState,
    Unreadable,
    Vitals,
)

ROOT = "onekey"
VERSION = "1"
LEVELS = 5
"""Of a topic, where the last one may have slashes of its own."""

FAULTS = frozenset({"battery_low", "mains_lost", "tamper", "signal_weak", "internal", "sensor"})
STATES = frozenset({"ready", "sleeping", "lost"})

READINGS_MAX = 500
"""Readings in one message: more would hold up the event loop for longer than 5 ms."""

MEASURED = {
    "heart_rate_bpm": (0, 400),
    "spo2_percent": (0, 100),
    "systolic_mmhg": (0, 400),
    "diastolic_mmhg": (0, 300),
    "temperature_c": (0, 60),
    "respiration_per_min": (0, 200),
}
"""Limits of what an instrument can show, not of what is healthy: 98 °C is a Fahrenheit reading, not a fever."""

SITE_LENGTH_MAX = 32

CLOCKLESS_REPEAT_S = 600
"""A terminal that cannot say when it was pressed may also have lost its count of presses. The same id from such a one
is a repeat within (about) this time, and a new press after it."""


def topics(centre_id: str) -> Sequence[Topic]:
    """Where terminals speak."""
    base = f"{ROOT}/{VERSION}/{centre_id}/+"
    return (
        Topic(Lane.ALARMS, f"{base}/alarm", 1),
        Topic(Lane.VITALS, f"{base}/vitals", 1),
        Topic(Lane.HOUSEKEEPING, f"{base}/state", 1),
        Topic(Lane.HOUSEKEEPING, f"{base}/fault", 1),
        Topic(Lane.HOUSEKEEPING, f"{base}/beat", 0),
        Topic(Lane.HOUSEKEEPING, f"{base}/command/reply", 1),
    )


def receipt_topic(centre_id: str, terminal_id: str) -> str:
    """Where one terminal listens for receipts."""
    return f"{ROOT}/{VERSION}/{centre_id}/{terminal_id}/receipt"


def command_topic(centre_id: str, terminal_id: str) -> str:
    """Where one terminal listens for commands."""
    return f"{ROOT}/{VERSION}/{centre_id}/{terminal_id}/command"


def terminal_of(topic: str) -> TerminalId | None:
    """Which terminal speaks on a topic."""
    name = topic.split("/", 4)[3:4]
    return name[0] if name and fields.is_usable_id(name[0]) else None


def decode(topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    """What a message means. Never raises; see `dispatch.devices.kinds`."""
    parts = topic.split("/", 4)
    if len(parts) < 4 or not fields.is_usable_id(terminal_id := parts[3]):
        detail = "a terminal's id must be 1 to 128 printable characters"
        return [Unreadable(None, topic, payload, "bad_terminal_id", detail, received_at)]
    reader = READERS.get(parts[-1], _unknown) if parts[1] == VERSION and len(parts) == LEVELS else _unknown
    try:
        return reader(terminal_id, topic, payload, received_at)
    except BadInput as problem:
        return [Unreadable(terminal_id, topic, payload, problem.code, str(problem.params["detail"]), received_at)]


def _unknown(_terminal_id: TerminalId, _topic: str, _payload: bytes, _received_at: datetime) -> Sequence[Heard]:
    raise BadInput("unknown_topic", detail=f"not in version {VERSION} of the contract")


# --- alarm ------------------------------------------------------------------------------------------------------------


class _Alarm(msgspec.Struct):
    id: str | int
    key: str
    at: Any = None
    test: Any = None
    cancel_of: Any = None
    battery: Any = None
    place: Any = None


_ALARM = msgspec.json.Decoder(_Alarm)


def _alarm(terminal_id: TerminalId, _topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    """A press. Only what decides who goes where must be right; the rest is left out, with a flaw that says so."""
    said, is_proper = fields.parse(payload, _ALARM)
    alarm_id = fields.usable_id(said.id)
    if alarm_id is None:
        raise BadInput("bad_id", detail="an alarm's id must be 1 to 128 printable characters")
    key = said.key.strip().lower()
    if key not in TERMINAL_KEYS:
        raise BadInput("unknown_key", detail="not one of " + ", ".join(sorted(TERMINAL_KEYS)))
    cancel_of = None if said.cancel_of is None else fields.usable_id(said.cancel_of)
    if cancel_of is None and said.cancel_of is not None:
        raise BadInput("bad_cancel_of", detail="it must be the id of an alarm")
    happened_at, at_flaw = fields.instant(said.at, received_at)
    battery = fields.number(said.battery, 0, 100)
    place = fields.place(said.place)
    flaws = (
        None if is_proper else "json_improper",
        at_flaw,
        None if isinstance(said.test, bool | None) else "test_unusable",
        "battery_unusable" if said.battery is not None and battery is None else None,
        "place_unusable" if said.place is not None and place is None else None,
    )
    return [
        Alarm(
            terminal_id=terminal_id,
            alarm_id=alarm_id,
            key=Key(key),
            received_at=received_at,
            digest=_digest(alarm_id, happened_at, received_at, key, cancel_of, is_test=said.test is True),
            happened_at=happened_at,
            is_test=said.test is True,
            cancel_of=cancel_of,
            battery_percent=battery,
            place=place,
            flaws=tuple(filter(None, flaws)),
        )
    ]


def _digest(
    alarm_id: str,
    happened_at: datetime | None,
    received_at: datetime,
    key: str,
    cancel_of: str | None,
    *,
    is_test: bool,
) -> bytes:
    """The same for an exact repeat: id, time and what is asked for. Battery and place, which a terminal measures anew
    each time it repeats itself, do not count.
    """
    if happened_at is not None:
        when = happened_at.isoformat()
    else:
        when = f"about {int(received_at.timestamp()) // CLOCKLESS_REPEAT_S}"
    said = "\x1f".join((alarm_id, when, key, cancel_of or "", str(is_test)))
    return hashlib.blake2b(said.encode(), digest_size=16).digest()


# --- vitals -----------------------------------------------------------------------------------------------------------


def _limited(name: str) -> Any:
    if name == "temperature_site":
        return str | None
    low, high = MEASURED[name]
    return Annotated[float, msgspec.Meta(ge=low, le=high)] | None


_MEASURED_FIELDS = Vitals.__struct_fields__[3:]
"""What follows who, and when received and measured."""

_Proper: Any = msgspec.defstruct(
    "_Proper",
    [("at", Annotated[datetime, msgspec.Meta(tz=True)]), *((name, _limited(name), None) for name in _MEASURED_FIELDS)],
    gc=False,
)
"""A reading with nothing wrong about it, as nearly all are: read in one go, at a fifth of what a doubtful one takes."""


class _Reading(msgspec.Struct):
    at: Any = None
    heart_rate_bpm: Any = None
    spo2_percent: Any = None
    systolic_mmhg: Any = None
    diastolic_mmhg: Any = None
    temperature_c: Any = None
    temperature_site: Any = None
    respiration_per_min: Any = None


_PROPER = msgspec.json.Decoder(_Proper)
_READINGS = msgspec.json.Decoder(_Reading | list[_Reading])


def _vitals(terminal_id: TerminalId, topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    """Readings; a proper one the short way, which gives the same as the long one."""
    try:
        said = _PROPER.decode(payload)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _doubtful_vitals(terminal_id, topic, payload, received_at)
    at, site = said.at, said.temperature_site
    pulse, oxygen, respiration = said.heart_rate_bpm, said.spo2_percent, said.respiration_per_min
    systolic, diastolic, warmth = said.systolic_mmhg, said.diastolic_mmhg, said.temperature_c
    is_empty = pulse is oxygen is systolic is diastolic is warmth is respiration is None
    if is_empty or at.year not in fields.YEARS:
        return _doubtful_vitals(terminal_id, topic, payload, received_at)
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    if site is not None:
        site = fields.clean_text(site, SITE_LENGTH_MAX)
    return (Vitals(terminal_id, received_at, at, pulse, oxygen, systolic, diastolic, warmth, site, respiration),)


def _doubtful_vitals(terminal_id: TerminalId, topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    """Readings, each with what is usable of it; what is not is told beside it, so that nothing vanishes unseen."""
    said, _ = fields.parse(payload, _READINGS)
    readings = said if isinstance(said, list) else [said]
    if len(readings) > READINGS_MAX:
        raise BadInput("too_many_readings", detail=f"{len(readings)} in one message; at most {READINGS_MAX}")
    heard: list[Heard] = []
    bad: list[str] = []
    for number, reading in enumerate(readings):
        vitals, unusable = _reading(terminal_id, reading, received_at)
        bad += [f"{number}.{name}" for name in unusable]
        if vitals is not None:
            heard.append(vitals)
    if bad or not heard:
        detail = ", ".join(bad)[:200] or "nothing measured"
        heard.append(Unreadable(terminal_id, topic, payload, "unusable_reading", detail, received_at))
    return heard


def _reading(terminal_id: TerminalId, said: _Reading, received_at: datetime) -> tuple[Vitals | None, list[str]]:
    """One reading (None if nothing in it was measured), and the names of its unusable fields."""
    values: dict[str, Any] = {}
    unusable = []
    for name, (low, high) in MEASURED.items():
        value = getattr(said, name)
        if value is not None:
            usable = fields.number(value, low, high)
            if usable is None:
                unusable.append(name)
            else:
                values[name] = usable
    if not values:
        return None, unusable
    site = fields.clean_text(said.temperature_site, SITE_LENGTH_MAX)
    happened_at, _ = fields.instant(said.at, received_at)
    return Vitals(terminal_id, received_at, happened_at, temperature_site=site, **values), unusable


# --- state, fault, beat, replies --------------------------------------------------------------------------------------


class _State(msgspec.Struct):
    state: str
    session: str | int
    at: Any = None
    firmware: Any = None


class _Fault(msgspec.Struct):
    id: str | int
    fault: str
    on: bool
    at: Any = None


class _Beat(msgspec.Struct):
    n: Any = None
    battery: Any = None
    mains: Any = None
    rssi: Any = None


class _Reply(msgspec.Struct):
    id: str | int
    state: str
    result: Any = None


_STATE = msgspec.json.Decoder(_State)
_FAULT = msgspec.json.Decoder(_Fault)
_BEAT = msgspec.json.Decoder(_Beat)
_REPLY = msgspec.json.Decoder(_Reply)


def _state(terminal_id: TerminalId, _topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    said, _ = fields.parse(payload, _STATE)
    session = fields.usable_id(said.session)
    if session is None:
        raise BadInput("bad_session", detail="it must be 1 to 128 printable characters")
    if said.state not in STATES:
        raise BadInput("unknown_state", detail="not one of " + ", ".join(sorted(STATES)))
    happened_at, _ = fields.instant(said.at, received_at)
    firmware = fields.clean_text(said.firmware, 64)
    return [TerminalState(terminal_id, said.state, session, received_at, happened_at, firmware)]


def _fault(terminal_id: TerminalId, _topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    said, _ = fields.parse(payload, _FAULT)
    fault_id = fields.usable_id(said.id)
    if fault_id is None:
        raise BadInput("bad_id", detail="a fault's id must be 1 to 128 printable characters")
    if said.fault not in FAULTS:
        raise BadInput("unknown_fault", detail="not one of " + ", ".join(sorted(FAULTS)))
    happened_at, _ = fields.instant(said.at, received_at)
    return [Fault(terminal_id, fault_id, said.fault, said.on, received_at, happened_at)]


def _beat(terminal_id: TerminalId, _topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    said, _ = fields.parse(payload, _BEAT)
    n = said.n if type(said.n) is int and 0 <= said.n < 1 << 63 else None
    return [
        Beat(
            terminal_id,
            received_at,
            n,
            fields.number(said.battery, 0, 100),
            said.mains if isinstance(said.mains, bool) else None,
            fields.number(said.rssi, -200, 100),
        )
    ]


def _reply(terminal_id: TerminalId, _topic: str, payload: bytes, received_at: datetime) -> Sequence[Heard]:
    said, _ = fields.parse(payload, _REPLY)
    command_id, state = fields.usable_id(said.id), fields.usable_id(said.state)
    if command_id is None or state is None:
        raise BadInput("bad_id", detail="a reply's id and state must be 1 to 128 printable characters")
    return [CommandReply(terminal_id, command_id, state, received_at, fields.clean_text(said.result, 1000))]


Reader = Callable[[TerminalId, str, bytes, datetime], Sequence[Heard]]

READERS: dict[str, Reader] = {
    "alarm": _alarm,
    "vitals": _vitals,
    "state": _state,
    "fault": _fault,
    "beat": _beat,
    "command/reply": _reply,
}
