-- is_summed: whether what was received before $1 has been summed up
SELECT coalesce((SELECT until_at >= $1 FROM summed_up), false)

-- count_homes: how many homes there are to look after
SELECT count(*) FROM home WHERE is_known

-- next_homes: the first $2 homes after $1
SELECT home_id FROM home WHERE home_id > $1 AND is_known ORDER BY home_id LIMIT $2

-- days_heard: when homes $2 were heard on days $1
SELECT home_id, day, hours, last_at, is_asked FROM home_day
WHERE day = ANY ($1::date[]) AND home_id = ANY ($2::text[])

-- mark_asked: the trends of homes $2 were looked at on day $1
UPDATE home_day SET is_asked = true WHERE day = $1 AND home_id = ANY ($2::text[])

-- last_sign: when home $1 was last heard since $2, by a reading or a key
SELECT greatest(
    (SELECT max(received_at) FROM vitals
     WHERE terminal_id = ANY (ARRAY(SELECT terminal_id FROM terminal_home WHERE home_id = $1 AND until IS NULL))
        AND received_at >= $2),
    (SELECT max(received_at) FROM alarm
     WHERE terminal_id = ANY (ARRAY(SELECT terminal_id FROM terminal_home WHERE home_id = $1 AND until IS NULL))
        AND received_at >= $2 AND origin = 'terminal')
)

-- elders_of_homes: who lives in homes $1
SELECT home_id, elder_id FROM resident WHERE home_id = ANY ($1::text[]) AND until IS NULL

-- looked_after: those of homes $1 of which a call is open, or one of kind $2 was closed since $3
SELECT DISTINCT subject_id FROM incident
WHERE subject_kind = 'home' AND subject_id = ANY ($1::text[]) AND incident_class = 'care'
    AND (closed_at IS NULL OR kind = $2 AND closed_at >= $3)

-- listen: we listened from $2 until $3; span $1
INSERT INTO listening (span_id, start_at, end_at) VALUES ($1, $2, $3)
ON CONFLICT (span_id) DO UPDATE SET end_at = greatest(listening.end_at, excluded.end_at)

-- listened: when we listened since $1
SELECT start_at, end_at FROM listening WHERE end_at >= $1
