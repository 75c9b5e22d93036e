-- insert_alarms: what terminals said, with the incident it opened or joined
INSERT INTO alarm (
    row_id, terminal_id, alarm_id, digest, kind, origin, happened_at, received_at, incident_id, cancel_of, is_test,
    is_known, battery, flaws, causes
)
SELECT
    row_id, terminal_id, alarm_id, decode(digest, 'base64'), kind, origin, happened_at, received_at, incident_id,
    cancel_of, is_test, is_known, battery, flaws, causes
FROM jsonb_to_recordset($1::jsonb) AS new (
    row_id uuid, terminal_id text, alarm_id text, digest text, kind text, origin text, happened_at timestamptz,
    received_at timestamptz, incident_id uuid, cancel_of text, is_test bool, is_known bool, battery real, flaws text[],
    causes jsonb
)

-- insert_rankings: why these workers
INSERT INTO ranking (incident_id, ranked_at, candidates, counts)
SELECT incident_id, ranked_at, candidates, counts
FROM jsonb_to_recordset($1::jsonb) AS new (incident_id uuid, ranked_at timestamptz, candidates jsonb, counts jsonb)
ON CONFLICT (incident_id, ranked_at) DO NOTHING

-- insert_notes: what people wrote
INSERT INTO note (note_id, incident_id, at, by, content)
SELECT note_id, incident_id, at, by, content
FROM jsonb_to_recordset($1::jsonb) AS new (note_id uuid, incident_id uuid, at timestamptz, by text, content text)

-- append_log: lines of the log; `turn` (store/writes.py) makes the numbers follow the order of commits
INSERT INTO incident_log (incident_id, at, code, by, state, band, level, facts)
SELECT new.incident_id, new.at, new.code, new.by, new.state, new.band, new.level, new.facts
FROM turn CROSS JOIN ROWS FROM (
    jsonb_to_recordset($1::jsonb) AS (
        incident_id uuid, at timestamptz, code text, by text, state text, band smallint, level smallint, facts jsonb
    )
) WITH ORDINALITY AS new (incident_id, at, code, by, state, band, level, facts, nth)
ORDER BY new.nth

-- add_parked: messages that could not be used, with the reason
INSERT INTO parked (parked_id, topic, payload, reason, detail, received_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::timestamptz[])
