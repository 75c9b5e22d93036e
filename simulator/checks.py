"""What must always hold, looked up in the real database: the invariants of DESIGN.md section 4 over all rows.

Constraints hold many of these already; they are checked all the same, since a constraint that was forgotten or dropped
fails silently. Each statement returns one line for each thing that is wrong.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

LATE_S = 5.0
"""A clock that ran out this long ago and has not fired is stuck; a message this long past its life is forgotten."""

ALWAYS = {
    "1: an open incident always has a due_at, a closed one never": """
        SELECT incident_id::text FROM incident WHERE (due_at IS NULL) <> (closed_at IS NOT NULL)""",
    "1: exactly the live assignments have a clock": """
        SELECT assignment_id::text FROM assignment
        WHERE (due_at IS NOT NULL) <> (state IN ('offered', 'accepted', 'en_route', 'on_scene'))""",
    "3: a worker holds at most one live offer or assignment": """
        SELECT worker_id || ' holds ' || count(*) FROM assignment
        WHERE state IN ('offered', 'accepted', 'en_route', 'on_scene') GROUP BY worker_id HAVING count(*) > 1""",
    "4: a home has at most one open incident of a class": """
        SELECT subject_kind || ' ' || subject_id || ' has ' || count(*) || ' of ' || incident_class
        FROM incident WHERE closed_at IS NULL
        GROUP BY incident_class, subject_kind, subject_id HAVING count(*) > 1""",
    "5: whatever was offered was written into the outbox by the same commit": """
        SELECT assignment_id::text FROM assignment WHERE NOT EXISTS (
            SELECT FROM outbox WHERE offer_id = assignment_id AND message = 'offer')""",
    "5: a message that was not sent says why": """
        SELECT outbox_id::text FROM outbox WHERE state IN ('void', 'failed') AND reason IS NULL""",
    "5: receipts of an incident are numbered without doubles for each terminal and alarm": """
        SELECT incident_id || ' ' || recipient || ' n ' || (body ->> 'n')
        FROM outbox WHERE message = 'receipt' AND incident_id IS NOT NULL
            AND body ->> 'stage' NOT IN ('stored', 'closed', 'tested', 'cancelled') -- said again of a closed call
        GROUP BY incident_id, recipient, body ->> 'alarm_id', body ->> 'n' HAVING count(*) > 1""",
    "6: every incident that a terminal opened has its alarm": """
        SELECT incident_id::text FROM incident WHERE origin = 'terminal' AND NOT EXISTS (
            SELECT FROM alarm WHERE alarm.incident_id = incident.incident_id)""",
    "readings that called are kept with their call": """
        SELECT alarm_id FROM alarm WHERE origin = 'vitals' AND (causes IS NULL OR incident_id IS NULL)""",
    "7: the level never goes down": """
        SELECT incident_id || ' at ' || seq FROM (
            SELECT incident_id, seq, level, lag(level) OVER (PARTITION BY incident_id ORDER BY seq) AS before
            FROM incident_log) AS steps
        WHERE level < before""",
    "7: a closed incident never changes": """
        SELECT incident_id || ' at ' || seq || ' ' || state FROM (
            SELECT incident_id, seq, state, lag(state) OVER (PARTITION BY incident_id ORDER BY seq) AS before
            FROM incident_log) AS steps
        WHERE before = 'closed' AND state <> 'closed'""",
    "7: a closed incident has no live assignment": """
        SELECT assignment_id::text FROM assignment JOIN incident USING (incident_id)
        WHERE closed_at IS NOT NULL AND assignment.state IN ('offered', 'accepted', 'en_route', 'on_scene')""",
    "the log begins with the opening": """
        SELECT incident_id || ' begins with ' || code FROM (
            SELECT DISTINCT ON (incident_id) incident_id, code FROM incident_log
            WHERE incident_id IS NOT NULL ORDER BY incident_id, seq) AS first
        WHERE code <> 'opened'""",
    "an incident's state is the furthest of its live assignments": """
        SELECT incident_id || ' is ' || state || ', should be ' || furthest FROM (
            SELECT incident.incident_id, incident.state, coalesce(
                (SELECT assignment.state FROM assignment WHERE assignment.incident_id = incident.incident_id
                    AND assignment.state IN ('offered', 'accepted', 'en_route', 'on_scene')
                 ORDER BY array_position(ARRAY['on_scene', 'en_route', 'accepted', 'offered'], assignment.state)
                 LIMIT 1), 'waiting') AS furthest
            FROM incident WHERE closed_at IS NULL) AS states
        WHERE state <> furthest""",
    "the log's last state is the incident's": """
        SELECT incident_id || ' is ' || state || ', the log says ' || said FROM (
            SELECT DISTINCT ON (incident_id) incident_id, incident.state, incident_log.state AS said
            FROM incident JOIN incident_log USING (incident_id) ORDER BY incident_id, seq DESC) AS last
        WHERE state <> said""",
}

WITHIN_TIME = {
    "2: a clock that ran out has fired": """
        SELECT incident_id || ' was due ' || due_at FROM incident WHERE due_at < $1""",
    "5: a message is sent, or void, by the end of its life": """
        SELECT outbox_id || ' ' || message || ' expired ' || expires_at
        FROM outbox WHERE state = 'queued' AND expires_at < $1""",
}
"""These hold only while somebody dispatches; `$1` is the instant before which things count as late."""


async def violations(connection: asyncpg.Connection[Any], now: datetime, *, is_served: bool = True) -> list[str]:
    """Everything that is broken now, one line each; empty when all is well.

    All statements see the same instant of the database. `is_served` False leaves out what needs a running dispatcher.
    """
    late = now - timedelta(seconds=LATE_S)
    broken = []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        for rule, statement in ALWAYS.items():
            broken += [f"{rule}: {row[0]}" for row in await connection.fetch(statement)]
        for rule, statement in WITHIN_TIME.items() if is_served else ():
            broken += [f"{rule}: {row[0]}" for row in await connection.fetch(statement, late)]
    return broken
