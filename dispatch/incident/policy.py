"""Clocks, bands and ladders per alarm kind, as data that a coordinator can read and change.

A policy file is TOML: `[defaults]` holds clocks for every kind, `[kinds.NAME]` what differs, `[ladders]` the steps.
`read_policies` refuses a wrong file with the file, the key, the line where it is known, and the reason. A policy is
stored once by the hash of its content; an incident keeps the hash it was opened with.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from dispatch.errors import BadSettings
from dispatch.model import Band, Key
from dispatch.toml_lines import line_of, read_toml

Seconds = Annotated[int, msgspec.Meta(ge=1, le=86_400)]
Count = Annotated[int, msgspec.Meta(ge=1, le=10)]


class Target(StrEnum):
    """Whom a ladder step may tell."""

    OPERATORS = "operators"
    SUPERVISOR = "supervisor"
    CONTACTS = "contacts"
    STATION = "station"
    AMBULANCE = "outside_120"
    FIRE_BRIGADE = "outside_119"
    POLICE = "outside_110"


MAY_WAIT = frozenset({Key.SERVICE, Key.CONSULT, Key.TREND, Key.NO_ACTIVITY, Key.MEASURE_AGAIN})
"""The kinds that may be below band 1: a key that says so, and what is only worth a look."""

OUTSIDE = frozenset({Target.AMBULANCE, Target.FIRE_BRIGADE, Target.POLICE})


class OfferWhen(StrEnum):
    """When workers are sent."""

    AT_ONCE = "at_once"
    AFTER_ANSWER = "after_answer"
    NEVER = "never"


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a ladder: the level it stands for, whom it tells, and how long until the next.

    The last step comes again every `wait_s` for as long as nobody has acted: a ladder never falls silent.
    """

    level: Annotated[int, msgspec.Meta(ge=1, le=9)]
    tell: tuple[Target, ...]
    wait_s: Seconds


class Clocks(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every kind must know; sources of the defaults stand in `dispatch/incident/default_policy.toml`.

    `offer`: when workers are sent. `verify_within_s`: how long an `after_answer` kind waits for a person.
    `parallel_offers`: how many workers are asked at the same time for each pair of hands wanted.
    `close_after_s`: seconds of silence after the last worker finished until the call closes by itself, 0 at once,
    None never (an operator is reminded every `remind_every_s`). `cancel_grace_s`: how long a cancel may be objected to
    before it closes the call, None if only a person may confirm it.
    """

    answer_within_s: Seconds
    accept_within_s: Seconds
    depart_within_s: Seconds
    arrive_within_s: Seconds
    check_every_s: Seconds
    check_answer_within_s: Seconds
    remind_every_s: Seconds
    offer: OfferWhen
    verify_within_s: Seconds = 60
    hands: Count = 1
    parallel_offers: Count = 1
    skills: tuple[str, ...] = ()
    close_after_s: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    cancel_grace_s: Seconds | None = None


class Policy(Clocks, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that governs one kind of alarm, complete in itself."""

    kind: Key
    band: Band
    ladder: tuple[Step, ...]

    @property
    def hash(self) -> str:
        """The content's hash (SHA-256, 32 hex digits), under which the policy is stored once."""
        return policy_hash(self)


_hashes: dict[Policy, str] = {}


def policy_hash(policy: Policy) -> str:
    """See `Policy.hash`; computed once per policy, since every incident names it."""
    known = _hashes.get(policy)
    if known is None:
        content = msgspec.json.encode(policy, order="sorted")
        known = _hashes[policy] = hashlib.sha256(content).hexdigest()[:32]
    return known


Policies = dict[Key, Policy]
"""One policy for every kind of alarm; none is missing."""


def read_policies(text: str, source: str) -> Policies:
    """The policies in a TOML text; `source` is the file's name, for messages.

    Raises BadSettings (`bad_policy`) naming file, key, line where known, and reason.
    """
    try:
        raw = read_toml(text)
    except ValueError as error:
        raise BadSettings("bad_policy", file=source, key="(the file)", reason=str(error)) from None
    reader = _Reader(text, source)
    reader.expect_keys(raw, {"defaults", "kinds", "ladders"}, "")
    ladders = {name: reader.ladder(name, steps) for name, steps in reader.table(raw, "ladders").items()}
    kinds = reader.table(raw, "kinds")
    reader.expect_keys(kinds, {key.value for key in Key}, "kinds.")
    missing = [key.value for key in Key if key.value not in kinds]
    if missing:
        raise reader.bad(f"kinds.{missing[0]}", "this kind of alarm has no policy")
    defaults = reader.table(raw, "defaults")
    return {key: reader.policy(key, defaults | kinds[key.value], ladders) for key in Key}


class _Reader:
    """Turns parsed TOML into policies and knows how to say where something is wrong."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source

    def bad(self, key: str, reason: str) -> BadSettings:
        line = line_of(self._text, key)
        where = {"line": line} if line else {}
        return BadSettings("bad_policy", file=self._source, key=key, **where, reason=reason)

    def expect_keys(self, table: dict[str, Any], allowed: set[str], prefix: str) -> None:
        for name in table:
            if name not in allowed:
                raise self.bad(f"{prefix}{name}", f"unknown; expected one of {', '.join(sorted(allowed))}")

    def table(self, raw: dict[str, Any], name: str) -> dict[str, Any]:
        table = raw.get(name)
        if not isinstance(table, dict):
            raise self.bad(name, "this table is missing")
        return table

    def ladder(self, name: str, steps: object) -> tuple[Step, ...]:
        key = f"ladders.{name}"
        try:
            ladder = msgspec.convert(steps, tuple[Step, ...])
        except msgspec.ValidationError as error:
            raise self.bad(key, str(error)) from None
        if not ladder:
            raise self.bad(key, "a ladder needs at least one step")
        for number, step in enumerate(ladder, 1):
            if not step.tell:
                raise self.bad(key, f"step {number} points to nobody; name at least one of {', '.join(Target)}")
        levels = [step.level for step in ladder]
        if sorted(set(levels)) != levels:
            raise self.bad(key, f"levels must rise from step to step, not {levels}")
        if not {Target.OPERATORS, Target.SUPERVISOR} & set(ladder[-1].tell):
            raise self.bad(key, "the last step repeats for ever, so it must tell operators or supervisor")
        return ladder

    def policy(self, kind: Key, settings: dict[str, Any], ladders: dict[str, tuple[Step, ...]]) -> Policy:
        key = f"kinds.{kind.value}"
        name = settings.get("ladder")
        if not isinstance(name, str) or name not in ladders:
            raise self.bad(f"{key}.ladder", f"no ladder is called {name!r}; there are {', '.join(sorted(ladders))}")
        complete = {**settings, "kind": kind.value, "ladder": ladders[name]}
        try:
            policy = msgspec.convert(complete, Policy)
        except msgspec.ValidationError as error:
            raise self.bad(self._blame(key, str(error)), str(error)) from None
        if policy.band > Band.URGENT and kind not in MAY_WAIT:
            raise self.bad(f"{key}.band", f"only {', '.join(sorted(MAY_WAIT))} may be below band 1")
        return policy

    @staticmethod
    def _blame(key: str, message: str) -> str:
        """The dotted key a msgspec message speaks of."""
        at = re.search(r"at `\$\.([a-z_]+)", message) or re.search(r"field `([a-z_]+)`", message)
        return f"{key}.{at.group(1)}" if at else key
