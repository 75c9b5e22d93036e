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
