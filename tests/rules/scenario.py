"""Scenarios as text: one line, one happening, with `tick 45s` between them. The rules alone; nothing else runs.

sos | fall | fire | family | service | consult | vitals     an alarm of that kind (opens, or joins)
again                          the very same alarm repeated
cancel | cancel N              the terminal takes the last alarm (or the N-th) back
choose W1 W2 …                 the router's picks; `choose` alone: nobody is left
W1.1 is W1's first offer of several, W1 the latest; W9 has no skills
W1 sees | accepts | declines | departs | arrives | ok | finishes [OUTCOME] | is-lost
answer | escalate | close [OUTCOME] | confirm-cancel | hands | assign W1 | release W1 | raise KIND
reachable contacts station …   whom a ladder step would find
tick 45s | tick 2m             time passes; every clock that runs out fires at its own instant
expect WORD VALUE …            state, level, wants, band, kind, outcome, hands, W1, answered, cancelled, nobody,
                               ignored REASON, said CODE (a log code since the last tick or command), told STAGE
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from importlib import resources
from uuid import UUID

from msgspec.structs import replace

from dispatch.incident import events as ev
from dispatch.incident.clocks import due_at, due_event
from dispatch.incident.decide import Opening, decide, open_incident
from dispatch.incident.draft import wants
from dispatch.incident.effects import (
    CallOutside,
    Effect,
    NotifyContact,
    NotifyOperators,
    RaiseIncident,
    Record,
    SendReceipt,
    TellWorker,
)
from dispatch.incident.invariants import violations
from dispatch.incident.policy import Policies, read_policies
from dispatch.incident.states import Assignment, Caller, Incident, IncidentClass, Subject, SubjectKind
from dispatch.model import AssignmentId, IncidentId, Key, Origin, TerminalId, WorkerId

START = datetime(2026, 3, 1, 3, 0, tzinfo=UTC)
TERMINAL = TerminalId("T1")


def default_policies() -> Policies:
    """The policies the product ships with."""
    text = resources.files("dispatch.incident").joinpath("default_policy.toml").read_text(encoding="utf-8")
    return read_policies(text, "default_policy.toml")


class Scenario:
    """Plays lines and remembers what the last one brought."""

    def __init__(self, policies: Policies) -> None:
        self.policies = policies
        self.now = START
        self.incident: Incident | None = None
        self.effects: list[Effect] = []
        self._reachable: frozenset[str] = frozenset({"contacts", "station", "supervisor"})
        self._drawn = 0
        self._alarms = 0

    def play(self, text: str) -> None:
        """Play every line; AssertionError names the line that does not hold."""
        for number, raw in enumerate(text.splitlines(), 1):
            line = raw.partition("#")[0].split()
            if line:
                try:
                    self._line(line)
                except AssertionError as error:
                    raise AssertionError(f"line {number}: {raw.strip()}: {error}") from error

    def _line(self, words: list[str]) -> None:
        command, rest = words[0], words[1:]
        if command == "expect":
            self._expect(rest)
            return
        self.effects = []
        if command == "tick":
            self._tick(rest[0])
        elif command == "reachable":
            self._reachable = frozenset(rest)
        elif command in {key.value for key in Key}:
            self._alarm(Key(command))
        elif re.fullmatch(r"W\d+(\.\d+)?", command):
            self._take(self._worker_event(command, rest))
        else:
            self._take(self._event(command, rest))

    # --- playing ------------------------------------------------------------------------------------------------

    def _draw(self) -> AssignmentId:
        self._drawn += 1
        return AssignmentId(UUID(int=self._drawn))

    def _alarm(self, key: Key) -> None:
        self._alarms += 1
        alarm_id = f"a{self._alarms}"
        if self.incident is None or self.incident.closed_at is not None:
            origin = Origin.VITALS if key is Key.VITALS else Origin.TERMINAL
            opening = Opening(
                id=IncidentId(self._draw()),
                incident_class=IncidentClass.CARE,
                subject=Subject(SubjectKind.HOME, "H1"),
                origin=origin,
                policy=self.policies[key],
                by=TERMINAL,
                caller=Caller(TERMINAL, alarm_id),
                reachable=self._reachable,
            )
            self.incident, effects = open_incident(opening, self.now)
            self._keep(None, self.incident, effects)
        else:
            self._take(ev.AlarmRaised(TERMINAL, alarm_id, key, self.policies[key]))

    def _take(self, event: ev.Event) -> None:
        assert self.incident is not None, "no alarm has been raised yet"
        before = replace(self.incident, reachable=self._reachable)
        after, effects = decide(before, event, self.now)
        self._keep(before, after, effects)

    def _keep(self, before: Incident | None, after: Incident, effects: tuple[Effect, ...]) -> None:
        broken = violations(before, after)
        assert not broken, broken
        assert (due_at(after) is None) == (due_event(after) is None)
        self.incident = after
        self.effects.extend(effects)

    def _tick(self, how_long: str) -> None:
        number, unit = int(how_long[:-1]), how_long[-1]
        until = self.now + timedelta(seconds=number * {"s": 1, "m": 60, "h": 3600}[unit])
        while self.incident is not None and (at := due_at(self.incident)) is not None and at <= until:
            event, before = due_event(self.incident), self.incident
            assert event is not None
            self.now = max(self.now, at)
            self._take(event)
            assert self.incident != before, f"firing {ev.name_of(event)} changed nothing"
        self.now = until

    def _of(self, worker: str) -> Assignment:
        """The worker's latest assignment, or with `.N` the N-th."""
        assert self.incident is not None
        name, _, nth = worker.partition(".")
        held = [each for each in self.incident.assignments if each.worker_id == name]
        assert held[int(nth or 1) - 1 :], f"{worker} has never been asked"
        return held[int(nth) - 1] if nth else held[-1]

    def _worker_event(self, worker: str, words: list[str]) -> ev.Event:
        offer_id = self._of(worker).id
        what, outcome = words[0], (words[1:] or ["assisted"])[0]
        made: dict[str, ev.Event] = {
            "sees": ev.OfferSeen(offer_id, worker),
            "accepts": ev.OfferAccepted(offer_id, worker, self._draw()),
            "declines": ev.OfferDeclined(offer_id, worker, "busy"),
            "departs": ev.Departed(offer_id, worker),
            "arrives": ev.Arrived(offer_id, worker),
            "ok": ev.CheckedIn(offer_id, worker),
            "finishes": ev.AssignmentFinished(offer_id, worker, outcome),
            "is-lost": ev.WorkerLost(offer_id, "op", "said_so"),
        }
        return made[what]

    def _pick(self, worker: str) -> ev.Pick:
        return ev.Pick(self._draw(), WorkerId(worker), 240, skills=() if worker == "W9" else ("first_aid",))

    def _event(self, command: str, words: list[str]) -> ev.Event:  # noqa: C901, PLR0911 - a table
        first = (words or ["assisted"])[0]
        match command:
            case "again":
                return ev.AlarmRepeated(TERMINAL, f"a{self._alarms}")
            case "cancel":
                nth = words[0] if words else str(self._alarms)
                return ev.AlarmCancelled(TERMINAL, f"a{nth}", f"c{nth}")
            case "choose":
                return ev.WorkersChosen(tuple(map(self._pick, words)))
            case "answer":
                return ev.OperatorAnswered("op")
            case "escalate":
                return ev.OperatorEscalated("op")
            case "close":
                return ev.Closed("op", first)
            case "confirm-cancel":
                return ev.CancelConfirmed("op")
            case "hands":
                return ev.HandsWanted("op")
            case "assign":
                return ev.OperatorAssigned("op", self._pick(first))
            case "release":
                return ev.Released(self._of(first).id, "op")
            case "raise":
                policy = self.policies[Key(first)]
                return ev.BandRaised("op", policy.band, policy.kind, policy)
            case _:
                raise AssertionError(f"unknown command {command}")

    # --- expecting ----------------------------------------------------------------------------------------------

    def _expect(self, words: list[str]) -> None:
        pairs = zip(words[::2], (each.rstrip(",") for each in words[1::2]), strict=True)
        for name, value in pairs:
            actual = self._actual(name)
            holds = value in actual if isinstance(actual, list) else str(actual) == value
            assert holds, f"{name} is {actual}, not {value}"

    def _actual(self, name: str) -> object:  # noqa: PLR0911 - a table
        incident = self.incident
        assert incident is not None
        if re.fullmatch(r"W\d+(\.\d+)?", name):
            return self._of(name).state.value
        match name:
            case "state" | "kind":
                return getattr(incident, name).value
            case "wants":
                return wants(incident)
            case "band":
                return int(incident.band)
            case "answered" | "cancelled":
                return "yes" if getattr(incident, f"{name}_at") else "no"
            case "nobody":
                return "yes" if incident.nobody else "no"
            case "ignored":
                return [each.facts["reason"] for each in self._records() if each.code == "ignored"]
            case "said":
                return [each.code for each in self._records()]
            case "told":
                return self.told()
            case _:
                return getattr(incident, name)

    def _records(self) -> list[Record]:
        return [each for each in self.effects if isinstance(each, Record)]

    def told(self) -> list[str]:
        """Everybody who hears of it: receipts by stage, notices by code, ladder targets, outside services."""
        told: list[str] = []
        for effect in self.effects:
            match effect:
                case SendReceipt(stage=stage):
                    told.append(stage.value)
                case TellWorker(code=code) | NotifyOperators(code=code):
                    told.append(code)
                case NotifyContact(target=target):
                    told.append(target.value)
                case CallOutside(service=service):
                    told.append(service)
                case RaiseIncident(kind=kind):
                    told.append(kind.value)
        return told
