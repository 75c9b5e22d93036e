-- registered: which of these terminals hang in a home
SELECT terminal_id FROM terminal_home WHERE terminal_id = ANY ($1::text[]) AND until IS NULL

-- particulars: what is particular to the elder a terminal measures: whoever wears it, or the home's only resident
SELECT hung.terminal_id, elder.elder_id, thresholds::text AS thresholds, spo2_scale, on_oxygen
FROM elder
JOIN resident USING (elder_id)
JOIN terminal_home AS hung USING (home_id)
WHERE (thresholds IS NOT NULL OR spo2_scale <> 'one' OR on_oxygen IS NOT NULL)
    AND resident.until IS NULL AND hung.until IS NULL AND (
        hung.elder_id = elder.elder_id OR hung.elder_id IS NULL AND NOT EXISTS (
            SELECT FROM resident AS other
            WHERE other.home_id = resident.home_id AND other.elder_id <> elder.elder_id AND other.until IS NULL
        )
    )

-- wearers: of whom each of terminals $1 measures, all terminals that do, if there are several
WITH asked AS (
    SELECT hung.terminal_id, home_id, coalesce(hung.elder_id, min(resident.elder_id)) AS elder_id
    FROM terminal_home AS hung JOIN resident USING (home_id)
    WHERE hung.terminal_id = ANY ($1::text[]) AND hung.until IS NULL AND resident.until IS NULL
    GROUP BY hung.terminal_id, home_id, hung.elder_id HAVING hung.elder_id IS NOT NULL OR count(*) = 1
), measuring AS (
    SELECT each.terminal_id, asked.elder_id, count(*) OVER (PARTITION BY asked.terminal_id) AS together
    FROM asked JOIN terminal_home AS each ON each.home_id = asked.home_id AND each.until IS NULL
        AND (each.elder_id = asked.elder_id OR each.elder_id IS NULL AND NOT EXISTS (
            SELECT FROM resident AS other
            WHERE other.home_id = asked.home_id AND other.elder_id <> asked.elder_id AND other.until IS NULL
        ))
)
SELECT DISTINCT terminal_id, elder_id FROM measuring WHERE together > 1

-- heard: terminals gave a sign of life; gives the session each had before, of those that now name another
UPDATE terminal SET
    heard_at = greatest(terminal.heard_at, new.heard_at),
    battery = coalesce(new.battery, terminal.battery),
    session = coalesce(new.session, terminal.session),
    state = CASE
        WHEN new.state IS NULL THEN terminal.state
        WHEN new.lost_session IS NULL OR new.lost_session = terminal.session THEN new.state
        ELSE terminal.state
    END
FROM (
    SELECT told.*, known.session AS session_before
    FROM unnest($1::text[], $2::timestamptz[], $3::real[], $4::text[], $5::text[], $6::text[])
        AS told (terminal_id, heard_at, battery, session, state, lost_session)
    JOIN terminal AS known USING (terminal_id)
    ORDER BY told.terminal_id
    FOR NO KEY UPDATE OF known
) AS new
WHERE terminal.terminal_id = new.terminal_id
RETURNING terminal.terminal_id, new.session IS NOT NULL AND new.session IS DISTINCT FROM new.session_before AS is_new

-- add_faults: what terminals report of themselves
INSERT INTO fault (terminal_id, fault_id, fault, is_on, happened_at, received_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::timestamptz[], $6::timestamptz[])
ON CONFLICT DO NOTHING

-- open_calls_of: the open calls in which these terminals take part, with the alarm each is answered under
SELECT incident.incident_id, caller.terminal_id, caller.alarm_id
FROM terminal_home
JOIN incident ON incident.subject_kind = 'home' AND incident.subject_id = terminal_home.home_id
    AND incident.closed_at IS NULL
CROSS JOIN LATERAL jsonb_to_recordset(incident.callers) AS caller (terminal_id text, alarm_id text)
WHERE terminal_home.terminal_id = ANY ($1::text[]) AND until IS NULL
    AND caller.terminal_id = terminal_home.terminal_id
