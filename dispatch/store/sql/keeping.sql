-- forget_parked: messages parked before $1, at most $2
DELETE FROM parked WHERE parked_id IN (SELECT parked_id FROM parked WHERE received_at < $1 LIMIT $2)

-- forget_outbox: messages that ended before $1, at most $2
DELETE FROM outbox WHERE outbox_id IN (
    SELECT outbox_id FROM outbox WHERE state <> 'queued' AND ended_at < $1 LIMIT $2
)

-- forget_fault: faults told before $1, at most $2
DELETE FROM fault WHERE (terminal_id, fault_id, received_at) IN (
    SELECT terminal_id, fault_id, received_at FROM fault WHERE received_at < $1 LIMIT $2
)

-- forget_home_day: when homes were heard on days before $1, at most $2
DELETE FROM home_day WHERE (day, home_id) IN (
    SELECT day, home_id FROM home_day WHERE day < ($1::timestamptz AT TIME ZONE 'UTC')::date LIMIT $2
)

-- forget_listening: spans in which we listened that ended before $1, at most $2
DELETE FROM listening WHERE span_id IN (SELECT span_id FROM listening WHERE end_at < $1 LIMIT $2)
