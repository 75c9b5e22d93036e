"""All that is counted and timed, in one place, for Prometheus. Labels take a small, known set of values only.

`Metrics` listens to commits, sends and clocks; `scrape` reads what is a state rather than a happening at the moment
somebody asks. Exercises (drills, tests) are counted apart and never timed.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dispatch.engine import Committed, Part
from dispatch.incident.effects import Record
from dispatch.incident.states import Assignment, Incident
from dispatch.model import CENTRE_KEYS
from dispatch.mqtt import Counts
from dispatch.store.outbox import Finished, OutboxMessage

MACHINE_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15)
"""Buckets for what machines do between themselves."""
PEOPLE_S = (1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1200, 1800, 2700, 3600, 7200)
"""Buckets for what people do; 10, 15, 60, 180 and 900 s are standards' limits."""
OUTCOMES = {
    *("assisted", "hospital", "handed_over", "false_alarm", "test"),
    *("no_answer", "duplicate", "cancelled", "nobody_home", "finished", "passed"),
}


@dataclass(frozen=True)
class Now:
    """What is so at this moment; None is unknown."""

    is_leading: bool
    engine_backlog: int
    oldest_unsent_s: float | None
    viewers: int
    lanes: Mapping[str, Counts]
    lane_waiting: Mapping[str, int]
    lane_connected: Mapping[str, bool]
    canary_age_s: float | None = None
    troubles: tuple[str, ...] = ()


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._seen: dict[tuple[str, str], int] = {}
        self._define_happenings()
        self._define_stages()
        self._define_states()
        # Finding the series of some labels costs more than counting in it: what each press counts is found once.
        self._alarms_of, self._opened_of = cache(self._alarms.labels), cache(self._opened.labels)
        self._sent_of, self._sending_of = cache(self._sent.labels), cache(self._sending.labels)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(f"dispatch_{name}", help_text, labels, registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        return Gauge(f"dispatch_{name}", help_text, labels, registry=self.registry)

    def _histogram(self, name: str, help_text: str, *labels: str, buckets: Iterable[float] = PEOPLE_S) -> Histogram:
        return Histogram(f"dispatch_{name}", help_text, labels, registry=self.registry, buckets=tuple(buckets))

    def _define_happenings(self) -> None:
        self._alarms = self._counter("alarms", "Alarms made durable, repeats among them", "kind")
        self._opened = self._counter("incidents_opened", "Incidents opened", "kind", "exercise")
        self._closed = self._counter("incidents_closed", "Incidents closed", "outcome", "exercise")
        self._decisions = self._counter("decisions", "Lines of the incident log by their code", "code")
        self._parked = self._counter("parked", "Messages that could not be used, by reason", "reason")
        self._sent = self._counter("outbox", "What became of messages: sent, void or failed", "channel", "state")
        self._readings = self._counter("readings", "Readings stored")
        self._failures = self._counter("failures", "Parts that stopped on a fault nobody foresaw", "name")
        self._gaps = self._counter("possible_gaps", "Times the broker had forgotten our session", "lane")

    def _define_stages(self) -> None:
        self.press_to_stored = self._histogram(
            "press_to_stored_seconds", "From an alarm's receipt to its commit", buckets=MACHINE_S
        )
        self._to_offered = self._histogram("stored_to_offered_seconds", "From opening to the first offer", "band")
        self._to_accepted = self._histogram("offered_to_accepted_seconds", "From an offer to its yes", "band")
        self._to_departed = self._histogram("accepted_to_departed_seconds", "From the yes to setting off", "band")
        self._to_arrived = self._histogram("departed_to_arrived_seconds", "From setting off to the door", "band")
        self._at_door = self._histogram("opened_to_arrived_seconds", "From opening to the first at the door", "band")
        self._to_answered = self._histogram("opened_to_answered_seconds", "From opening to an operator", "band")
        self._to_closed = self._histogram("opened_to_closed_seconds", "From opening to closing", "band")
        self._commit = self._histogram("commit_seconds", "One engine transaction", buckets=MACHINE_S)
        self._batch = self._histogram(
            "batch_items", "Items in one engine transaction", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500)
        )
        self._lag = self._histogram(
            "timer_lag_seconds", "How late the earliest clock of a round fired", buckets=MACHINE_S
        )
        self._sending = self._histogram(
            "outbox_seconds", "From the commit that decided a message to its next hop", "channel", buckets=MACHINE_S
        )

        self._canary = self._histogram(
            "canary_seconds",
            "From the canary's press to `stored` at its terminal, and to the boards",
            "stage",
            buckets=MACHINE_S,
        )

    def _define_states(self) -> None:
        self._leading = self._gauge("leading", "1 if this process dispatches")
        self._backlog = self._gauge("engine_backlog", "Items handed in and not yet decided")
        self._oldest = self._gauge("outbox_oldest_unsent_seconds", "Age of the oldest message not yet sent")
        self._viewers = self._gauge("viewers", "Open boards")
        self._waiting = self._gauge("mqtt_waiting", "Messages received and not yet begun", "lane")
        self._connected = self._gauge("mqtt_connected", "1 if this lane hears", "lane")
        self._canary_age = self._gauge("canary_age_seconds", "Since the canary's press was last heard all the way")
        self._troubles = self._gauge("trouble", "1 while this is wrong with the centre itself", "kind")
        self._mqtt = self._counter("mqtt_messages", "Messages by lane and what became of them", "lane", "what")

    # --- happenings ---------------------------------------------------------------------------------------------

    def alarm_stored(self, kind: str, seconds: float) -> None:
        """An alarm is durable, so many seconds after it was received."""
        self._alarms_of(kind).inc()
        self.press_to_stored.observe(max(0.0, seconds))

    def parked(self, reason: str) -> None:
        """A message was parked."""
        self._parked.labels(reason).inc()

    def readings_stored(self, count: int) -> None:
        """Readings are durable."""
        self._readings.inc(count)

    def failed(self, name: str) -> None:
        """A part stopped on a fault."""
        self._failures.labels(name).inc()

    def possible_gap(self, lane: str) -> None:
        """The broker had no session for a lane."""
        self._gaps.labels(lane).inc()

    def canary_heard(self, stage: str, seconds: float) -> None:
        """The canary's press was stored, or shown, after so long."""
        self._canary.labels(stage).observe(max(0.0, seconds))

    def timer_lag(self, seconds: float) -> None:
        """A round of clocks fired so late."""
        self._lag.observe(max(0.0, seconds))

    def finished(self, message: OutboxMessage, finished: Finished, now: datetime) -> None:
        """A message was sent or given up."""
        self._sent_of(message.channel, finished.state).inc()
        if finished.state == "sent":
            self._sending_of(message.channel).observe(max(0.0, (now - message.created_at).total_seconds()))

    def committed(self, committed: Committed) -> None:
        """A commit of the engine."""
        self._commit.observe(committed.seconds)
        self._batch.observe(committed.items)
        effects = (effect for part in committed.parts for effect in part.effects)
        decided = collections.Counter(effect.code for effect in effects if isinstance(effect, Record))
        for code, times in decided.items():
            self._decisions.labels(code).inc(times)
        for part in committed.parts:
            self._count(part)
            if not part.after.is_exercise:
                self._time(part)

    def _count(self, part: Part) -> None:
        after, exercise = part.after, str(part.after.is_exercise).lower()
        if part.before is None:
            self._opened_of(after.kind.value, exercise).inc()
        if after.closed_at is not None and (part.before is None or part.before.closed_at is None):
            self._closed.labels(after.outcome if after.outcome in OUTCOMES else "other", exercise).inc()

    def _time(self, part: Part) -> None:
        before, after = part.before, part.after
        band = str(int(after.band))
        if after.answered_at and not (before and before.answered_at):
            self._to_answered.labels(band).observe(_seconds(after.opened_at, after.answered_at))
        if after.closed_at and not (before and before.closed_at):
            self._to_closed.labels(band).observe(_seconds(after.opened_at, after.closed_at))
        if after.assignments and not (before and before.assignments):
            self._to_offered.labels(band).observe(_seconds(after.opened_at, after.assignments[0].offered_at))
        if _first_arrival(after) and not (before and _first_arrival(before)):
            self._at_door.labels(band).observe(_seconds(after.opened_at, _first_arrival(after)))
        was = {each.id: each for each in before.assignments} if before else {}
        for each in after.assignments:
            if each is not was.get(each.id):
                self._time_assignment(was.get(each.id), each, band)

    def _time_assignment(self, was: Assignment | None, each: Assignment, band: str) -> None:
        if each.accepted_at and not (was and was.accepted_at):
            self._to_accepted.labels(band).observe(_seconds(each.offered_at, each.accepted_at))
        if each.departed_at and not (was and was.departed_at):
            self._to_departed.labels(band).observe(_seconds(each.accepted_at, each.departed_at))
        if each.arrived_at and not (was and was.arrived_at):
            self._to_arrived.labels(band).observe(_seconds(each.departed_at, each.arrived_at))

    # --- asked for ----------------------------------------------------------------------------------------------

    def scrape(self, now: Now) -> bytes:
        """Everything, in Prometheus' text format."""
        self._leading.set(now.is_leading)
        self._backlog.set(now.engine_backlog)
        self._viewers.set(now.viewers)
        self._oldest.set(float("nan") if now.oldest_unsent_s is None else now.oldest_unsent_s)
        self._canary_age.set(float("nan") if now.canary_age_s is None else now.canary_age_s)
        for kind in CENTRE_KEYS:
            self._troubles.labels(kind.value).set(kind.value in now.troubles)
        for lane, waiting in now.lane_waiting.items():
            self._waiting.labels(lane).set(waiting)
            self._connected.labels(lane).set(now.lane_connected[lane])
        for lane, counts in now.lanes.items():
            for what in ("received", "acknowledged", "published", "confirmed", "connects", "losses", "unreadable"):
                self._catch_up(lane, what, getattr(counts, what))
        return generate_latest(self.registry)

    def _catch_up(self, lane: str, what: str, count: int) -> None:
        """A connection counts for itself, from 0 in each term of the lease; here its counts only rise."""
        seen = self._seen.get((lane, what), 0)
        self._seen[lane, what] = count
        self._mqtt.labels(lane, what).inc(count - seen if count >= seen else count)


def _first_arrival(incident: Incident) -> datetime | None:
    return min((each.arrived_at for each in incident.assignments if each.arrived_at), default=None)


def _seconds(since: datetime | None, until: datetime | None) -> float:
    """Between two instants; 0 where a stage was skipped."""
    return max(0.0, (until - since).total_seconds()) if since and until else 0.0


Scrape = Callable[[], bytes]
"""Gives the metrics as text."""
