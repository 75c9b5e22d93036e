-- newest: the instant that was written down last, not counting what clocks have been set back for already
SELECT coalesce(
    (
        SELECT at FROM incident_log WHERE seq > coalesce((SELECT seq FROM clocks_set_back), 0)
        ORDER BY seq DESC LIMIT 1
    ),
    (SELECT at FROM clocks_set_back)
)

-- set_back_incidents: every running clock of an incident runs out so much earlier
UPDATE incident SET
    version = version + 1, due_at = due_at - $1::interval, step_due_at = step_due_at - $1::interval, answer_by = answer_by
    - $1::interval, verify_by = verify_by - $1::interval, grace_by = grace_by - $1::interval, close_by = close_by -
    $1::interval
WHERE due_at IS NOT NULL

-- set_back_assignments: every running clock of an offer or assignment, likewise
UPDATE assignment SET due_at = due_at - $1::interval WHERE state IN ('offered', 'accepted', 'en_route', 'on_scene')

-- set_back_outbox: messages not yet sent were decided, and end, so much earlier
UPDATE outbox SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval
WHERE state = 'queued'

-- set_back_noted: that it was done for everything written so far
INSERT INTO clocks_set_back (seq, at)
SELECT coalesce(max(seq), 0), $1 FROM incident_log
ON CONFLICT (only_one) DO UPDATE SET seq = excluded.seq, at = excluded.at
