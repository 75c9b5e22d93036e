-- last_seq: the newest entry of the log
SELECT coalesce(max(seq), 0) FROM incident_log

-- changed_since: which incidents the entries after one concern, the newest entry of each, and nothing more
SELECT max(seq) AS seq, incident_id
FROM (
    SELECT seq, incident_id FROM incident_log WHERE seq > $1 ORDER BY seq LIMIT $2
) AS entry
GROUP BY incident_id

-- incidents_on_board: the open ones, and those closed since an instant
SELECT incident_id FROM incident WHERE closed_at IS NULL
UNION ALL
SELECT incident_id FROM incident WHERE closed_at >= $1

-- numbers_of_incidents: the number people call an incident by
SELECT incident_id, number FROM incident WHERE incident_id = ANY ($1::uuid[])

-- homes_by_id: where somebody called from, and how to get in
SELECT home_id, address, lat, lon, accuracy_m, access::text AS access, station_id, is_known
FROM home WHERE home_id = ANY ($1::text[])

-- residents_of_homes: who lives there on a day; whoever wears the terminal that called comes first
SELECT resident.home_id, elder.elder_id, elder.name, elder.birth_year, elder.phone, elder.risks, elder.note
FROM resident JOIN elder USING (elder_id)
WHERE resident.home_id = ANY ($1::text[]) AND resident.since <= $2 AND (resident.until IS NULL OR resident.until > $2)
ORDER BY resident.home_id, EXISTS (
    SELECT FROM terminal_home AS worn
    WHERE worn.home_id = resident.home_id AND worn.elder_id = elder.elder_id AND worn.until IS NULL
        AND worn.terminal_id = ANY ($3::text[])
) DESC, elder.elder_id

-- contacts_of_homes: whom to call for a home, in order
SELECT home_id, rank, name, relation, phone, has_key FROM contact WHERE home_id = ANY ($1::text[]) ORDER BY home_id, rank

-- all_workers: everybody who can go, with what each is asked for or holds
SELECT worker.worker_id, name, station_id, travel, phone, worker.skills, is_on_duty, lat, lon, accuracy_m, place_at,
    live.state AS live_state, live.incident_id
FROM worker
LEFT JOIN assignment AS live ON live.worker_id = worker.worker_id
    AND live.state IN ('offered', 'accepted', 'en_route', 'on_scene')
ORDER BY worker.worker_id

-- workers_by_id: the same for some of them
SELECT worker.worker_id, name, station_id, travel, phone, worker.skills, is_on_duty, lat, lon, accuracy_m, place_at,
    live.state AS live_state, live.incident_id
FROM worker
LEFT JOIN assignment AS live ON live.worker_id = worker.worker_id
    AND live.state IN ('offered', 'accepted', 'en_route', 'on_scene')
WHERE worker.worker_id = ANY ($1::text[])

-- workers_moved_since: who came on or off duty, or was heard from, since an instant
SELECT worker_id FROM worker WHERE duty_at >= $1 OR place_at >= $1

-- centre_counts: what the whole centre has
SELECT (SELECT count(*) FROM parked) AS parked, (SELECT count(*) FROM station) AS stations

-- timeline: an incident's lines of the log, in order
SELECT seq, at, code, by, state, level, facts::text AS facts
FROM incident_log WHERE incident_id = $1 ORDER BY seq

-- notes_of_incident: what people wrote, oldest first
SELECT note_id, at, by, content FROM note WHERE incident_id = $1 ORDER BY at, note_id

-- last_ranking: why the workers that were asked last
SELECT ranked_at, candidates::text AS candidates, counts::text AS counts
FROM ranking WHERE incident_id = $1 ORDER BY ranked_at DESC LIMIT 1

-- readings_of_home: what a home's terminals measured since an instant, newest first
SELECT vitals.terminal_id, coalesce(happened_at, received_at) AS at, heart_rate_bpm, spo2_percent, systolic_mmhg,
    diastolic_mmhg, temperature_c, respiration_per_min
FROM vitals
WHERE vitals.terminal_id IN (SELECT terminal_id FROM terminal_home WHERE home_id = $1 AND until IS NULL)
    AND received_at >= $2
ORDER BY received_at DESC LIMIT $3

-- last_part_of_worker: the offer or assignment a worker holds, or the last one that ended
SELECT assignment_id, incident_id, state FROM assignment
WHERE worker_id = $1
ORDER BY state IN ('offered', 'accepted', 'en_route', 'on_scene') DESC, coalesce(ended_at, offered_at) DESC
LIMIT 1

-- offer_by_id: whose an offer is, and of which incident
SELECT incident_id, worker_id, state FROM assignment WHERE assignment_id = $1

-- grave_since: when an incident last became graver, at or after an instant
SELECT max(at) FROM incident_log WHERE incident_id = $1 AND code = 'graver' AND at >= $2
