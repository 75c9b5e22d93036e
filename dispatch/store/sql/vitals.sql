-- of_terminals: what terminals $1 measured from $2 to $3, newest first, at most $4; told twice comes once
SELECT terminal_id, happened_at, received_at, heart_rate_bpm, spo2_percent, systolic_mmhg, diastolic_mmhg,
    temperature_c, temperature_site, respiration_per_min
FROM (
    SELECT terminal_id, happened_at, min(received_at) AS received_at, heart_rate_bpm, spo2_percent, systolic_mmhg,
        diastolic_mmhg, temperature_c, temperature_site, respiration_per_min
    FROM vitals
    WHERE terminal_id = ANY ($1::text[]) AND received_at >= $2 AND received_at < $3::timestamptz + interval '1 day'
    GROUP BY terminal_id, happened_at, CASE WHEN happened_at IS NULL THEN received_at END, heart_rate_bpm,
        spo2_percent, systolic_mmhg, diastolic_mmhg, temperature_c, temperature_site, respiration_per_min
) AS once
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN happened_at > received_at OR happened_at < received_at - interval '30 days' THEN received_at
        ELSE coalesce(happened_at, received_at)
    END AS at
) AS told
WHERE at >= $2 AND at <= $3
ORDER BY at DESC, received_at DESC LIMIT $4

-- terminals_of_elders: which terminals measure elders $1: those each wears, or the home's if the elder lives alone
SELECT resident.elder_id, hung.terminal_id
FROM resident JOIN terminal_home AS hung USING (home_id)
WHERE resident.elder_id = ANY ($1::text[]) AND resident.until IS NULL AND hung.until IS NULL AND (
    hung.elder_id = resident.elder_id OR hung.elder_id IS NULL AND NOT EXISTS (
        SELECT FROM resident AS other
        WHERE other.home_id = resident.home_id AND other.elder_id <> resident.elder_id AND other.until IS NULL
    )
)
