-- insert_alarms: what terminals said, with the incident it opened or joined
INSERT INTO alarm (
    row_id, terminal_id, alarm_id, digest, kind, origin, happened_at, received_at, incident_id, cancel_of, is_test,
    is_known, battery, flaws, causes
)
SELECT
    row_id, terminal_id, alarm_id, digest, kind, origin, happened_at, received_at, incident_id, cancel_of, is_test,
    is_known, battery, string_to_array(flaws, ','), causes::jsonb
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::timestamptz[], $8::timestamptz[],
    $9::uuid[], $10::text[], $11::bool[], $12::bool[], $13::real[], $14::text[], $15::text[]
) AS new (
    row_id, terminal_id, alarm_id, digest, kind, origin, happened_at, received_at, incident_id, cancel_of, is_test,
    is_known, battery, flaws, causes
)

-- insert_rankings: why these workers
INSERT INTO ranking (incident_id, ranked_at, candidates, counts)
SELECT incident_id, ranked_at, candidates::jsonb, counts::jsonb
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[])
    AS new (incident_id, ranked_at, candidates, counts)
ON CONFLICT (incident_id, ranked_at) DO NOTHING

-- insert_notes: what people wrote
INSERT INTO note (note_id, incident_id, at, by, content)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[])

-- append_log: the last statement before a commit; the advisory lock makes the numbers follow the order of commits
WITH turn AS MATERIALIZED (SELECT pg_advisory_xact_lock(7205759403793))
INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
SELECT new.incident_id, new.at, new.code, new.by, new.state, new.band, new.level, new.facts::jsonb
FROM turn CROSS JOIN unnest(
    $1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::smallint[], $7::smallint[], $8::text[]
) WITH ORDINALITY AS new (incident_id, at, code, by, state, band, level, facts, nth)
ORDER BY new.nth

-- add_parked: messages that could not be used, with the reason
INSERT INTO parked (parked_id, topic, payload, reason, detail, received_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::timestamptz[])
