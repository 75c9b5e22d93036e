-- settings: what is set for elders $1, with the last change by hand
SELECT elder.elder_id, elder.thresholds::text AS thresholds, elder.spo2_scale, elder.on_oxygen,
    last.set_at, last.set_by, last.why,
    coalesce((last.thresholds, last.spo2_scale, last.on_oxygen)
        IS NOT DISTINCT FROM (elder.thresholds, elder.spo2_scale, elder.on_oxygen), false) AS is_by_hand
FROM elder LEFT JOIN LATERAL (
    SELECT * FROM health_setting WHERE health_setting.elder_id = elder.elder_id ORDER BY set_at DESC LIMIT 1
) AS last ON true
WHERE elder.elder_id = ANY ($1::text[])

-- put_setting: what somebody ($4) sets for elder $2, and why; gives nothing if there is no such elder
WITH changed AS (
    UPDATE elder SET thresholds = $6::text::jsonb, spo2_scale = $7, on_oxygen = $8 WHERE elder_id = $2
    RETURNING elder_id
)
INSERT INTO health_setting (setting_id, elder_id, set_at, set_by, why, thresholds, spo2_scale, on_oxygen)
SELECT $1, elder_id, $3, $4, $5, $6::text::jsonb, $7, $8 FROM changed
RETURNING true

-- history: every change by hand for elder $1, newest first
SELECT set_at, set_by, why, thresholds::text AS thresholds, spo2_scale, on_oxygen
FROM health_setting WHERE elder_id = $1 ORDER BY set_at DESC, setting_id DESC

-- elder_by_id: an elder, and the home they live in
SELECT elder.elder_id, name, birth_year, phone, risks, note, resident.home_id
FROM elder LEFT JOIN resident ON resident.elder_id = elder.elder_id AND resident.until IS NULL
WHERE elder.elder_id = $1 ORDER BY resident.since DESC LIMIT 1

-- causes: what readings rang in incident $1, the oldest first
SELECT terminal_id, causes::text AS causes FROM alarm
WHERE incident_id = $1 AND causes IS NOT NULL ORDER BY received_at, row_id
