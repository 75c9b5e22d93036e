-- unfired: how many clocks ran out before an instant and have not fired ($2 at most), and when the earliest ran out
SELECT
    (SELECT count(*) FROM (
        SELECT FROM incident WHERE due_at IS NOT NULL AND due_at < $1 ORDER BY due_at LIMIT $2
    ) AS late) AS unfired,
    (SELECT min(due_at) FROM incident WHERE due_at IS NOT NULL) AS earliest_at

-- open_calls: every open incident once: how many whose stored deadline is not the earliest of their clocks, one of these,
-- since when the oldest grave call is unanswered, and when anybody last answered one that is still open
SELECT
    count(*) AS open,
    count(*) FILTER (WHERE is_astray) AS astray,
    min(incident_id::text) FILTER (WHERE is_astray) AS first_astray,
    min(opened_at) FILTER (
        WHERE answered_at IS NULL AND band <= 1 AND NOT is_exercise AND incident_class IN ('care', 'safety')
    ) AS unanswered_since,
    max(answered_at) AS answered_at
FROM (
    SELECT incident.*, incident.due_at IS NULL OR incident.due_at IS DISTINCT FROM
        LEAST(step_due_at, verify_by, grace_by, close_by, live.due_at) AS is_astray
    FROM incident LEFT JOIN (
        SELECT incident_id, min(due_at) AS due_at FROM assignment
        WHERE state IN ('offered', 'accepted', 'en_route', 'on_scene') GROUP BY incident_id
    ) AS live USING (incident_id)
    WHERE closed_at IS NULL
) AS open_incident

-- answered_since: when anybody last answered a call that was closed since an instant
SELECT max(answered_at) FROM incident WHERE closed_at >= $1

-- open_troubles: which of the centre's own troubles stand as open incidents
SELECT subject_id, incident_id FROM incident
WHERE closed_at IS NULL AND incident_class = 'centre' AND subject_kind = 'centre' AND subject_id = ANY ($1::text[])

-- say_boards: how many boards a process has open
INSERT INTO room (instance, boards, beat) VALUES ($1, $2, 1)
ON CONFLICT (instance) DO UPDATE SET boards = excluded.boards, beat = room.beat + 1

-- rooms: what every process said
SELECT instance, boards, beat FROM room

-- home_of_incident: the home that an incident is about
SELECT subject_id FROM incident WHERE incident_id = $1 AND subject_kind = 'home'
