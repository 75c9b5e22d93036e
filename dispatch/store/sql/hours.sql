-- summed_until: up to when what was received has been summed up
SELECT until_at FROM summed_up

-- put_summed_until: all that was received before $1 has been summed up
INSERT INTO summed_up (until_at) VALUES ($1)
ON CONFLICT (only_one) DO UPDATE SET until_at = greatest(summed_up.until_at, excluded.until_at)

-- next_terminals: the first $2 terminals after $1 that told anything from $3 up to $4, which lie within one day (UTC)
WITH RECURSIVE next AS (
    (SELECT terminal_id, 1 AS n FROM vitals
     WHERE terminal_id > $1::text AND received_at >= $3 AND received_at < $4 ORDER BY terminal_id LIMIT 1)
    UNION ALL
    SELECT (SELECT vitals.terminal_id FROM vitals
            WHERE vitals.terminal_id > next.terminal_id AND received_at >= $3 AND received_at < $4
            ORDER BY vitals.terminal_id LIMIT 1), n + 1
    FROM next WHERE next.terminal_id IS NOT NULL AND n < $2::integer
)
SELECT terminal_id FROM next WHERE terminal_id IS NOT NULL

-- sum_up: the hours of terminals $1 that what was received from $2 up to $3 belongs to, anew ($4–$7: see `hours.sum_up`)
WITH touched AS (
    SELECT DISTINCT terminal_id, date_trunc('hour', CASE
        WHEN happened_at > received_at OR happened_at < received_at - interval '30 days' THEN received_at
        ELSE coalesce(happened_at, received_at)
    END, 'UTC') AS hour_at
    FROM vitals WHERE terminal_id = ANY ($1::text[]) AND received_at >= $2 AND received_at < $3
), once AS (
    SELECT touched.terminal_id, hour_at,
        CASE WHEN heart_rate_bpm BETWEEN ($4::real[])[1] AND ($5::real[])[1] THEN heart_rate_bpm END AS heart_rate_bpm,
        CASE WHEN spo2_percent BETWEEN ($4::real[])[2] AND ($5::real[])[2] THEN spo2_percent END AS spo2_percent,
        CASE WHEN systolic_mmhg BETWEEN ($4::real[])[3] AND ($5::real[])[3] THEN systolic_mmhg END AS systolic_mmhg,
        CASE WHEN diastolic_mmhg BETWEEN ($4::real[])[4] AND ($5::real[])[4] THEN diastolic_mmhg END AS diastolic_mmhg,
        CASE WHEN temperature_c BETWEEN ($4::real[])[5] AND ($5::real[])[5]
            AND (temperature_site = ANY ($6::text[])) IS NOT TRUE THEN temperature_c END AS temperature_c,
        CASE WHEN respiration_per_min BETWEEN ($4::real[])[6] AND ($5::real[])[6] THEN respiration_per_min
            END AS respiration_per_min
    FROM touched
    JOIN vitals ON hour_at >= $7 AND vitals.terminal_id = touched.terminal_id AND received_at >= hour_at
        AND received_at < $3
        AND date_trunc('hour', CASE
            WHEN happened_at > received_at OR happened_at < received_at - interval '30 days' THEN received_at
            ELSE coalesce(happened_at, received_at)
        END, 'UTC') = hour_at
    GROUP BY touched.terminal_id, hour_at, coalesce(happened_at, received_at), vitals.heart_rate_bpm,
        vitals.spo2_percent, vitals.systolic_mmhg, vitals.diastolic_mmhg, vitals.temperature_c,
        vitals.temperature_site, vitals.respiration_per_min
)
INSERT INTO vitals_hour
SELECT terminal_id, hour_at,
    count(heart_rate_bpm), min(heart_rate_bpm), avg(heart_rate_bpm),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY heart_rate_bpm), max(heart_rate_bpm),
    count(spo2_percent), min(spo2_percent), avg(spo2_percent),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY spo2_percent), max(spo2_percent),
    count(systolic_mmhg), min(systolic_mmhg), avg(systolic_mmhg),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY systolic_mmhg), max(systolic_mmhg),
    count(diastolic_mmhg), min(diastolic_mmhg), avg(diastolic_mmhg),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY diastolic_mmhg), max(diastolic_mmhg),
    count(temperature_c), min(temperature_c), avg(temperature_c),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY temperature_c), max(temperature_c),
    count(respiration_per_min), min(respiration_per_min), avg(respiration_per_min),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY respiration_per_min), max(respiration_per_min)
FROM once GROUP BY terminal_id, hour_at
ON CONFLICT (terminal_id, hour_at) DO UPDATE SET
    heart_rate_bpm_n = excluded.heart_rate_bpm_n,
    heart_rate_bpm_low = excluded.heart_rate_bpm_low,
    heart_rate_bpm_mean = excluded.heart_rate_bpm_mean,
    heart_rate_bpm_middle = excluded.heart_rate_bpm_middle,
    heart_rate_bpm_high = excluded.heart_rate_bpm_high,
    spo2_percent_n = excluded.spo2_percent_n,
    spo2_percent_low = excluded.spo2_percent_low,
    spo2_percent_mean = excluded.spo2_percent_mean,
    spo2_percent_middle = excluded.spo2_percent_middle,
    spo2_percent_high = excluded.spo2_percent_high,
    systolic_mmhg_n = excluded.systolic_mmhg_n,
    systolic_mmhg_low = excluded.systolic_mmhg_low,
    systolic_mmhg_mean = excluded.systolic_mmhg_mean,
    systolic_mmhg_middle = excluded.systolic_mmhg_middle,
    systolic_mmhg_high = excluded.systolic_mmhg_high,
    diastolic_mmhg_n = excluded.diastolic_mmhg_n,
    diastolic_mmhg_low = excluded.diastolic_mmhg_low,
    diastolic_mmhg_mean = excluded.diastolic_mmhg_mean,
    diastolic_mmhg_middle = excluded.diastolic_mmhg_middle,
    diastolic_mmhg_high = excluded.diastolic_mmhg_high,
    temperature_c_n = excluded.temperature_c_n,
    temperature_c_low = excluded.temperature_c_low,
    temperature_c_mean = excluded.temperature_c_mean,
    temperature_c_middle = excluded.temperature_c_middle,
    temperature_c_high = excluded.temperature_c_high,
    respiration_per_min_n = excluded.respiration_per_min_n,
    respiration_per_min_low = excluded.respiration_per_min_low,
    respiration_per_min_mean = excluded.respiration_per_min_mean,
    respiration_per_min_middle = excluded.respiration_per_min_middle,
    respiration_per_min_high = excluded.respiration_per_min_high

-- heard: that the homes of terminals $1 gave signs of life from $2 up to $3, which is one hour, by readings or presses
INSERT INTO home_day (day, home_id, hours, last_at)
SELECT ($2::timestamptz AT TIME ZONE 'UTC')::date, home_id,
    1 << extract(hour FROM $2::timestamptz AT TIME ZONE 'UTC')::integer, max(at)
FROM (
    SELECT terminal_id, max(received_at) AS at FROM vitals
    WHERE terminal_id = ANY ($1::text[]) AND received_at >= $2 AND received_at < $3 GROUP BY terminal_id
) AS sign
JOIN terminal_home USING (terminal_id)
WHERE until IS NULL GROUP BY home_id
ON CONFLICT (day, home_id) DO UPDATE SET
    hours = home_day.hours | excluded.hours, last_at = greatest(home_day.last_at, excluded.last_at)

-- pressed: that homes gave signs of life by their keys from $1 up to $2, which is one hour
INSERT INTO home_day (day, home_id, hours, last_at)
SELECT ($1::timestamptz AT TIME ZONE 'UTC')::date, home_id,
    1 << extract(hour FROM $1::timestamptz AT TIME ZONE 'UTC')::integer, max(received_at)
FROM alarm JOIN terminal_home USING (terminal_id)
WHERE received_at >= $1 AND received_at < $2 AND origin = 'terminal' AND until IS NULL GROUP BY home_id
ON CONFLICT (day, home_id) DO UPDATE SET
    hours = home_day.hours | excluded.hours, last_at = greatest(home_day.last_at, excluded.last_at)

-- days_of_terminals: by terminal and day in time zone $4 the middle of each parameter, of the hours from $2 up to $3
SELECT terminal_id, (hour_at AT TIME ZONE $4::text)::date AS day,
    sum(heart_rate_bpm_n) AS heart_rate_bpm_n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY heart_rate_bpm_middle) AS heart_rate_bpm,
    sum(spo2_percent_n) AS spo2_percent_n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY spo2_percent_middle) AS spo2_percent,
    sum(systolic_mmhg_n) AS systolic_mmhg_n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY systolic_mmhg_middle) AS systolic_mmhg,
    sum(diastolic_mmhg_n) AS diastolic_mmhg_n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY diastolic_mmhg_middle) AS diastolic_mmhg,
    sum(temperature_c_n) AS temperature_c_n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY temperature_c_middle) AS temperature_c,
    sum(respiration_per_min_n) AS respiration_per_min_n,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY respiration_per_min_middle) AS respiration_per_min
FROM vitals_hour
WHERE terminal_id = ANY ($1::text[]) AND hour_at >= $2 AND hour_at < $3
GROUP BY terminal_id, day ORDER BY terminal_id, day
