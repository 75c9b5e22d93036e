-- last_seq: the newest entry of the log
SELECT coalesce(max(seq), 0) FROM incident_log

-- changed_since: which incidents the first entries after one concern, how many for each, and the newest of them
SELECT max(seq) AS seq, count(*) AS entries, incident_id
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

-- last_parts_of_workers: the offer or assignment each worker holds, or else the last one that ended since an instant
SELECT DISTINCT ON (worker_id) worker_id, assignment_id, incident_id
FROM (
    SELECT worker_id, assignment_id, incident_id, NULL AS ended_at FROM assignment
    WHERE worker_id = ANY ($1::text[]) AND state IN ('offered', 'accepted', 'en_route', 'on_scene')
    UNION ALL
    SELECT worker_id, assignment_id, incident_id, ended_at FROM assignment
    WHERE worker_id = ANY ($1::text[]) AND offered_at >= $2::timestamptz - interval '1 day' AND ended_at >= $2
) AS part
ORDER BY worker_id, ended_at DESC NULLS FIRST

-- offer_by_id: whose an offer is, and of which incident
SELECT incident_id, worker_id, state FROM assignment WHERE assignment_id = $1

-- graver_at: when each of these incidents last became graver
SELECT incident_id, max(at) AS at FROM incident_log WHERE incident_id = ANY ($1::uuid[]) AND code = 'graver'
GROUP BY incident_id

-- find_homes: homes by terminal, phone, name of a resident or address ($1 whole, $2 begins, $3 contains, $4 digits), best first
WITH hit AS (
    (SELECT home_id, 'terminal' AS by, 0 AS rank FROM terminal_home
     WHERE until IS NULL AND terminal_id ILIKE $2 LIMIT 50)
    UNION ALL
    (SELECT home_id, 'phone', 1 FROM terminal JOIN terminal_home USING (terminal_id)
     WHERE until IS NULL AND $4 <> '' AND translate(phone, ' -+()', '') LIKE '%' || $4 LIMIT 50)
    UNION ALL
    (SELECT home_id, 'phone', 1 FROM elder JOIN resident USING (elder_id)
     WHERE until IS NULL AND $4 <> '' AND translate(elder.phone, ' -+()', '') LIKE '%' || $4 LIMIT 50)
    UNION ALL
    (SELECT home_id, 'contact', 2 FROM contact WHERE $4 <> '' AND translate(phone, ' -+()', '') LIKE '%' || $4 LIMIT 50)
    UNION ALL
    (SELECT home_id, 'elder', CASE WHEN name = $1 THEN 0 WHEN name LIKE $2 THEN 1 ELSE 3 END
     FROM elder JOIN resident USING (elder_id) WHERE until IS NULL AND name ILIKE $3
     ORDER BY name <> $1, name NOT LIKE $2, name, elder_id LIMIT 50)
    UNION ALL
    (SELECT home_id, 'contact', 4 FROM contact WHERE name ILIKE $3 LIMIT 50)
    UNION ALL
    (SELECT home_id, 'address', 4 FROM home WHERE address ILIKE $3 LIMIT 50)
), best AS (
    SELECT DISTINCT ON (home_id) home_id, by, rank FROM hit ORDER BY home_id, rank, by
)
SELECT home_id, by FROM best ORDER BY rank, home_id LIMIT $5

-- terminals_of_homes: what hangs in each home
SELECT home_id, terminal_id FROM terminal_home WHERE home_id = ANY ($1::text[]) AND until IS NULL
ORDER BY home_id, terminal_id

-- open_calls_of_homes: the open call for help of each home that has one
SELECT subject_id AS home_id, incident_id FROM incident
WHERE closed_at IS NULL AND incident_class = 'care' AND subject_kind = 'home' AND subject_id = ANY ($1::text[])
