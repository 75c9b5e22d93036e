-- lock_homes_of_terminals: which home each terminal hangs in, the homes locked in order of id
SELECT hung.terminal_id, home.home_id
FROM home JOIN terminal_home AS hung USING (home_id)
WHERE hung.terminal_id = ANY ($1::text[]) AND hung.until IS NULL
ORDER BY home.home_id
FOR NO KEY UPDATE OF home

-- look_at_terminals: the home of each terminal, and whether it has an open call or that alarm is known; nothing locked
SELECT said.terminal_id, hung.home_id, coalesce(
    (
        SELECT true FROM incident
        WHERE incident_class = 'care' AND subject_kind = 'home' AND subject_id = hung.home_id AND closed_at IS NULL
        LIMIT 1
    ),
    (SELECT true FROM alarm WHERE terminal_id = said.terminal_id AND alarm_id = said.alarm_id LIMIT 1),
    (SELECT true FROM alarm WHERE terminal_id = said.terminal_id AND cancel_of = said.alarm_id LIMIT 1),
    false
) AS is_entangled
FROM unnest($1::text[], $2::text[]) AS said (terminal_id, alarm_id)
-- one at a time, so that a plan made while the table was empty still goes by its index
CROSS JOIN LATERAL (
    SELECT home_id FROM terminal_home WHERE terminal_id = said.terminal_id AND until IS NULL LIMIT 1
) AS hung

-- add_homes: homes made up for terminals nobody registered, and for calls opened by hand at an address
INSERT INTO home (home_id, address, lat, lon, is_known)
SELECT home_id, address, lat, lon, false
FROM unnest($1::text[], $2::text[], $3::float8[], $4::float8[]) AS new (home_id, address, lat, lon)
ORDER BY home_id
ON CONFLICT (home_id) DO NOTHING

-- lock_homes: homes locked in order of id
SELECT home_id FROM home WHERE home_id = ANY ($1::text[]) ORDER BY home_id FOR NO KEY UPDATE

-- alarms_like: alarms and cancels seen before that one of a batch may repeat, take back, or have been taken back by
WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[]) AS pair (terminal_id, id))
SELECT terminal_id, alarm_id, digest, incident_id, cancel_of, received_at
FROM (
    SELECT alarm.terminal_id, alarm_id, digest, incident_id, cancel_of, received_at
    FROM wanted JOIN alarm ON alarm.terminal_id = wanted.terminal_id AND alarm.alarm_id = wanted.id
    UNION
    SELECT alarm.terminal_id, alarm_id, digest, incident_id, cancel_of, received_at
    FROM wanted JOIN alarm ON alarm.terminal_id = wanted.terminal_id AND alarm.cancel_of = wanted.id
) AS alike
ORDER BY received_at

-- lock_incidents: the open incidents of some subjects, and incidents by id, locked in order of id
SELECT incident_id FROM incident
WHERE incident_id = ANY (ARRAY(
    SELECT open.incident_id
    FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (incident_class, subject_kind, subject_id)
    JOIN incident AS open USING (incident_class, subject_kind, subject_id)
    WHERE open.closed_at IS NULL
    UNION ALL
    SELECT unnest($4::uuid[])
))
ORDER BY incident_id
FOR NO KEY UPDATE

-- read_incidents: incidents by id as they are; who locks them reads them afterwards, since a statement sees nothing newer than its start
SELECT incident.*, (
    SELECT json_agg(to_json(a) ORDER BY a.offered_at, a.assignment_id)::text
    FROM assignment AS a WHERE a.incident_id = incident.incident_id
) AS assignments, (
    SELECT count(*) > 0 FROM contact WHERE contact.home_id = incident.subject_id
) AS has_contacts, (
    SELECT station_id IS NOT NULL FROM home WHERE home.home_id = incident.subject_id
) AS has_station, EXISTS (SELECT FROM account WHERE role = 'supervisor' AND is_active) AS has_supervisor
FROM incident
WHERE incident_id = ANY ($1::uuid[])

-- lock_workers: workers locked in order of id, and whether each is on duty
SELECT worker_id, is_on_duty FROM worker WHERE worker_id = ANY ($1::text[]) ORDER BY worker_id FOR NO KEY UPDATE

-- live_of_workers: the incident each of these workers is asked for or holds
SELECT worker_id, incident_id FROM assignment
WHERE worker_id = ANY ($1::text[]) AND state IN ('offered', 'accepted', 'en_route', 'on_scene')

-- insert_incidents: new incidents
INSERT INTO incident (
    incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band, policy_hash, is_exercise,
    state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at, step_due_at, answer_by,
    answered_at, answered_by, verify_by, grace_by, close_by, cancelled_at, closed_at, outcome
)
SELECT
    incident_id, version, incident_class, subject_kind, subject_id, origin, kind, band, policy_hash, is_exercise,
    state, level, wants, nobody, hands, step, alarms, receipt_n, callers, opened_at, due_at, step_due_at, answer_by,
    answered_at, answered_by, verify_by, grace_by, close_by, cancelled_at, closed_at, outcome
FROM jsonb_to_recordset($1::jsonb) AS new (
    incident_id uuid, version int, incident_class text, subject_kind text, subject_id text, origin text, kind text,
    band smallint, policy_hash text, is_exercise bool, state text, level smallint, wants smallint, nobody bool, hands
    smallint, step int, alarms int, receipt_n int, callers jsonb, opened_at timestamptz, due_at timestamptz,
    step_due_at timestamptz, answer_by timestamptz, answered_at timestamptz, answered_by text, verify_by timestamptz,
    grace_by timestamptz, close_by timestamptz, cancelled_at timestamptz, closed_at timestamptz, outcome text
)

-- update_incidents: incidents as a decision left them
UPDATE incident SET
    version = new.version, kind = new.kind, band = new.band, policy_hash = new.policy_hash, state = new.state, level =
    new.level, wants = new.wants, nobody = new.nobody, hands = new.hands, step = new.step, alarms = new.alarms,
    receipt_n = new.receipt_n, callers = new.callers, due_at = new.due_at, step_due_at = new.step_due_at, answer_by =
    new.answer_by, answered_at = new.answered_at, answered_by = new.answered_by, verify_by = new.verify_by, grace_by =
    new.grace_by, close_by = new.close_by, cancelled_at = new.cancelled_at, closed_at = new.closed_at, outcome =
    new.outcome
FROM jsonb_to_recordset($1::jsonb) AS new (
    incident_id uuid, version int, kind text, band smallint, policy_hash text, state text, level smallint, wants
    smallint, nobody bool, hands smallint, step int, alarms int, receipt_n int, callers jsonb, due_at timestamptz,
    step_due_at timestamptz, answer_by timestamptz, answered_at timestamptz, answered_by text, verify_by timestamptz,
    grace_by timestamptz, close_by timestamptz, cancelled_at timestamptz, closed_at timestamptz, outcome text
)
WHERE incident.incident_id = new.incident_id AND incident.version = new.version - 1

-- save_assignments: offers and assignments as a decision left them, the ended ones first
INSERT INTO assignment (
    assignment_id, incident_id, worker_id, state, eta_s, offered_by, skills, overdue, offered_at, due_at, seen_at,
    accepted_at, departed_at, arrived_at, ended_at, end_reason
)
SELECT
    assignment_id, incident_id, worker_id, state, eta_s, offered_by, skills, overdue, offered_at, due_at, seen_at,
    accepted_at, departed_at, arrived_at, ended_at, end_reason
FROM jsonb_to_recordset($1::jsonb) AS new (
    assignment_id uuid, incident_id uuid, worker_id text, state text, eta_s int, offered_by text, skills text[],
    overdue int, offered_at timestamptz, due_at timestamptz, seen_at timestamptz, accepted_at timestamptz, departed_at
    timestamptz, arrived_at timestamptz, ended_at timestamptz, end_reason text
)
ON CONFLICT (assignment_id) DO UPDATE SET
    state = excluded.state, eta_s = excluded.eta_s, overdue = excluded.overdue, due_at = excluded.due_at,
    seen_at = excluded.seen_at, accepted_at = excluded.accepted_at, departed_at = excluded.departed_at,
    arrived_at = excluded.arrived_at, ended_at = excluded.ended_at, end_reason = excluded.end_reason

-- due: incidents whose earliest clock has run out, the gravest first (it matters after a while in which none was fired)
SELECT incident_id FROM incident WHERE due_at <= $1 ORDER BY band, due_at LIMIT $2

-- next_due: when the earliest clock of all runs out
SELECT min(due_at) FROM incident WHERE due_at IS NOT NULL

-- policies_by_hash: the content of some policies
SELECT hash, content::text AS content FROM policy WHERE hash = ANY ($1::text[])

-- store_policies: each policy once, by its content's hash
INSERT INTO policy (hash, content, stored_at)
SELECT hash, content::jsonb, $3 FROM unnest($1::text[], $2::text[]) AS new (hash, content)
ON CONFLICT (hash) DO NOTHING
