-- newest: the instant that was written down last
SELECT at FROM incident_log ORDER BY seq DESC LIMIT 1

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
