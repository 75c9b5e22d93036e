"""The balance finds what it is there to find; and a crash point ends the process that passes it, and no other."""

from __future__ import annotations

import asyncio
import os
import sys

import asyncpg
import pytest

from dispatch.crash import CRASH_AT, STATUS
from simulator.faults.ledger import Ledger

ROWS = """
INSERT INTO policy VALUES ('p', '{}', '2026-01-01Z');
INSERT INTO incident (incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band, policy_hash,
    is_exercise, state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at)
SELECT ('00000000-0000-7000-8000-00000000000' || n)::uuid, 1, 'care', 'home', 'H' || n, 'terminal', 'sos', 0, 'p',
    false, 'waiting', 0, 1, false, 1, 0, 1, 1, '[]', '2026-01-01Z', '2026-01-01Z'
FROM generate_series(1, 2) AS n;
INSERT INTO alarm (row_id, terminal_id, alarm_id, digest, kind, origin, received_at, incident_id, is_test, is_known)
SELECT gen_random_uuid(), terminal_id, alarm_id, digest::bytea, 'sos', 'terminal', '2026-01-01Z',
    ('00000000-0000-7000-8000-00000000000' || n)::uuid, false, true
FROM (VALUES ('T1', 'whole', 'a', 1), ('T1', 'twice', 'b', 1), ('T1', 'twice', 'c', 2), ('T2', 'told', 'd', 2))
    AS new (terminal_id, alarm_id, digest, n);
INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
SELECT '00000000-0000-7000-8000-000000000002', '2026-01-01Z', code, 'T2', 'waiting', 0, 0, facts::jsonb
FROM (VALUES ('opened', '{"terminal_id": "T2", "alarm_id": "told"}'), ('alarm_joined', '{"alarm_id": "told"}'))
    AS new (code, facts);
"""


async def test_the_balance_names_what_was_lost_doubled_or_never_heard(dsn: str) -> None:
    ledger = Ledger()
    for terminal_id, alarm_id in (("T1", "whole"), ("T1", "twice"), ("T2", "told"), ("T2", "gone")):
        ledger.pressed((terminal_id, alarm_id), 10.0)
    ledger.stored(("T1", "whole"), 12.5)
    ledger.stored(("T1", "whole"), 90.0)  # a repeat's receipt
    connection = await asyncpg.connect(dsn)
    await connection.execute(ROWS)
    balance = await ledger.balance(connection)
    await connection.close()
    assert balance.lost == [("T2", "gone")]
    assert balance.duplicated == [("T1", "twice"), ("T2", "told")]
    assert balance.unheard == [("T1", "twice"), ("T2", "gone"), ("T2", "told")]
    assert balance.longest_silence_s == 2.5


def test_recovery_counts_presses_made_after_the_mark_only() -> None:
    ledger = Ledger()
    ledger.pressed(("T1", "before"), 1.0)
    ledger.pressed(("T1", "after"), 5.0)
    ledger.stored(("T1", "before"), 6.0)
    assert ledger.first_stored_s(since_s=4.0) is None
    ledger.stored(("T1", "after"), 7.0)
    assert ledger.first_stored_s(since_s=4.0) == 7.0


PASSES = """
import asyncio
from dispatch.crash import crash_at
async def passes():
    for _ in range(3):
        crash_at("received")
        crash_at("after_puback", is_on_its_way=True)
        print("passed", flush=True)
        await asyncio.sleep(0.05)
asyncio.run(passes())
"""


@pytest.mark.parametrize(
    ("crash_at", "status", "passed"),
    [
        ("", 0, 3),
        ("received", STATUS, 0),
        ("received:3", STATUS, 2),
        ("before_commit", 0, 3),
        ("after_puback:2", STATUS, 2),
    ],
)
async def test_a_process_ends_at_its_crash_point_and_nowhere_else(crash_at: str, status: int, passed: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PASSES, stdout=asyncio.subprocess.PIPE, env=os.environ | {CRASH_AT: crash_at}
    )
    said, _ = await process.communicate()
    assert (process.returncode, said.count(b"passed")) == (status, passed)
