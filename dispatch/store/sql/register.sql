-- stage: where rows of files wait, and the ids that files of this run bring (for a dry run, which writes nothing else)
CREATE TEMP TABLE staged_stations (
    line int PRIMARY KEY, station_id text, name text, lat float8, lon float8, phone text, organisation text, district text
);
CREATE TEMP TABLE staged_elders (
    line int PRIMARY KEY, elder_id text, name text, birth_year int, phone text, risks text[], note text, thresholds text,
    home_id text, address text, lat float8, lon float8, access text, station_id text
);
CREATE TEMP TABLE staged_homes (
    line int PRIMARY KEY, home_id text, address text, lat float8, lon float8, access text, station_id text,
    is_new boolean
);
CREATE TEMP TABLE staged_terminals (line int PRIMARY KEY, terminal_id text, home_id text, kind text, elder_id text, phone text);
CREATE TEMP TABLE staged_workers (
    line int PRIMARY KEY, worker_id text, name text, station_id text, travel text, phone text, skills text[]
);
CREATE TEMP TABLE staged_contacts (
    line int PRIMARY KEY, home_id text, rank int, name text, relation text, phone text, has_key boolean
);
-- who enters a home (an elder, or a terminal and perhaps whose it is), who leaves one, and whose a terminal becomes
CREATE TEMP TABLE entering (line int PRIMARY KEY, id text, home_id text, elder_id text);
CREATE TEMP TABLE leaving (line int, id text, home_id text, since date);
CREATE INDEX leaving_line ON leaving (line);
CREATE TEMP TABLE giving (line int PRIMARY KEY, id text, home_id text, since date, elder_id text);
CREATE TEMP TABLE brought (noun text, id text, PRIMARY KEY (noun, id))

-- clear: ready for another file
TRUNCATE staged_stations, staged_elders, staged_homes, staged_terminals, staged_workers, staged_contacts,
    entering, leaving, giving

-- stationless_elders: a station nobody knows
DELETE FROM staged_elders AS row
WHERE row.station_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM station WHERE station.station_id = row.station_id)
    AND NOT EXISTS (SELECT FROM brought WHERE noun = 'station' AND id = row.station_id)
RETURNING row.line, 'unknown_station' AS code, 'station_id' AS name, row.station_id AS cell, NULL::int AS first_line

-- stationless_workers: a station nobody knows
DELETE FROM staged_workers AS row
WHERE NOT EXISTS (SELECT FROM station WHERE station.station_id = row.station_id)
    AND NOT EXISTS (SELECT FROM brought WHERE noun = 'station' AND id = row.station_id)
RETURNING row.line, 'unknown_station' AS code, 'station_id' AS name, row.station_id AS cell, NULL::int AS first_line

-- contradicting_elders: what a home's first row says is otherwise here (an empty cell says nothing)
DELETE FROM staged_elders AS later
USING (
    SELECT DISTINCT ON (home_id) line AS first, home_id, address, lat, lon, access, station_id
    FROM staged_elders ORDER BY home_id, line
) AS home
WHERE later.home_id = home.home_id AND later.line > home.first AND (
    later.address IS NOT NULL AND later.address IS DISTINCT FROM home.address
    OR later.lat IS NOT NULL AND (later.lat, later.lon) IS DISTINCT FROM (home.lat, home.lon)
    OR later.station_id IS NOT NULL AND later.station_id IS DISTINCT FROM home.station_id
    OR NOT home.access::jsonb @> jsonb_strip_nulls(later.access::jsonb)
)
RETURNING later.line, 'home_differs' AS code, 'home_id' AS name, later.home_id AS cell, home.first AS first_line

-- homeless_terminals: a home nobody knows
DELETE FROM staged_terminals AS row
WHERE NOT EXISTS (SELECT FROM home WHERE home.home_id = row.home_id AND is_known)
    AND NOT EXISTS (SELECT FROM brought WHERE noun = 'home' AND id = row.home_id)
RETURNING row.line, 'unknown_home' AS code, 'home_id' AS name, row.home_id AS cell, NULL::int AS first_line

-- homeless_contacts: a home nobody knows
DELETE FROM staged_contacts AS row
WHERE NOT EXISTS (SELECT FROM home WHERE home.home_id = row.home_id AND is_known)
    AND NOT EXISTS (SELECT FROM brought WHERE noun = 'home' AND id = row.home_id)
RETURNING row.line, 'unknown_home' AS code, 'home_id' AS name, row.home_id AS cell, NULL::int AS first_line

-- elderless_terminals: an elder nobody knows
DELETE FROM staged_terminals AS row
WHERE row.elder_id IS NOT NULL
    AND NOT EXISTS (SELECT FROM elder WHERE elder.elder_id = row.elder_id)
    AND NOT EXISTS (SELECT FROM brought WHERE noun = 'elder' AND id = row.elder_id)
RETURNING row.line, 'unknown_elder' AS code, 'elder_id' AS name, row.elder_id AS cell, NULL::int AS first_line

-- gather_homes: the homes of an elders' file, each as its first row says
INSERT INTO staged_homes
SELECT DISTINCT ON (home_id) line, home_id, row.address, row.lat, row.lon, row.access, row.station_id,
    home.home_id IS NULL
FROM staged_elders AS row LEFT JOIN home USING (home_id) ORDER BY home_id, line

-- gather_entering_elders: elders who do not live yet where their row says
INSERT INTO entering
SELECT row.line, row.elder_id, row.home_id, NULL
FROM staged_elders AS row
LEFT JOIN resident AS now ON now.elder_id = row.elder_id AND now.home_id = row.home_id AND now.until IS NULL
WHERE now.elder_id IS NULL

-- gather_leaving_elders: elders who live elsewhere
INSERT INTO leaving
SELECT row.line, now.elder_id, now.home_id, now.since
FROM staged_elders AS row
JOIN resident AS now ON now.elder_id = row.elder_id AND now.home_id <> row.home_id AND now.until IS NULL

-- gather_entering_terminals: terminals that do not hang yet where their row says
INSERT INTO entering
SELECT row.line, row.terminal_id, row.home_id, row.elder_id
FROM staged_terminals AS row
LEFT JOIN terminal_home AS hung
    ON hung.terminal_id = row.terminal_id AND hung.home_id = row.home_id AND hung.until IS NULL
WHERE hung.terminal_id IS NULL

-- gather_leaving_terminals: terminals that hang elsewhere
INSERT INTO leaving
SELECT row.line, hung.terminal_id, hung.home_id, hung.since
FROM staged_terminals AS row
JOIN terminal_home AS hung
    ON hung.terminal_id = row.terminal_id AND hung.home_id <> row.home_id AND hung.until IS NULL

-- gather_giving: terminals that stay where they hang and become somebody else's
INSERT INTO giving
SELECT row.line, hung.terminal_id, hung.home_id, hung.since, row.elder_id
FROM staged_terminals AS row
JOIN terminal_home AS hung ON hung.terminal_id = row.terminal_id AND hung.home_id = row.home_id AND hung.until IS NULL
WHERE hung.elder_id IS DISTINCT FROM row.elder_id

-- bring_stations: ids that later files of this run may refer to
INSERT INTO brought SELECT DISTINCT 'station', station_id FROM staged_stations ON CONFLICT DO NOTHING

-- bring_elders: ids that later files of this run may refer to
INSERT INTO brought SELECT DISTINCT 'elder', elder_id FROM staged_elders ON CONFLICT DO NOTHING

-- bring_homes: ids that later files of this run may refer to
INSERT INTO brought SELECT DISTINCT 'home', home_id FROM staged_homes ON CONFLICT DO NOTHING

-- merge_stations: lines $1 up to $2; a column that is not among $3 stays as it is
INSERT INTO station AS known (station_id, name, lat, lon, phone, organisation, district)
SELECT station_id, name, lat, lon, phone, organisation, district
FROM staged_stations WHERE line >= $1 AND line < $2 ORDER BY station_id
ON CONFLICT (station_id) DO UPDATE SET
    name = excluded.name,
    lat = excluded.lat,
    lon = excluded.lon,
    phone = CASE WHEN 'phone' = ANY ($3::text[]) THEN excluded.phone ELSE known.phone END,
    organisation = CASE WHEN 'organisation' = ANY ($3) THEN excluded.organisation ELSE known.organisation END,
    district = CASE WHEN 'district' = ANY ($3) THEN excluded.district ELSE known.district END

-- merge_homes: lines $1 up to $2; a column that is not among $3 stays as it is
INSERT INTO home AS known (home_id, address, lat, lon, access, station_id, is_known)
SELECT home_id, coalesce(address, ''), lat, lon,
    CASE WHEN is_new THEN jsonb_strip_nulls(access::jsonb) ELSE access::jsonb END, station_id, true
FROM staged_homes WHERE line >= $1 AND line < $2 ORDER BY home_id
ON CONFLICT (home_id) DO UPDATE SET
    address = CASE WHEN 'address' = ANY ($3::text[]) THEN excluded.address ELSE known.address END,
    lat = CASE WHEN 'lat' = ANY ($3) THEN excluded.lat ELSE known.lat END,
    lon = CASE WHEN 'lat' = ANY ($3) THEN excluded.lon ELSE known.lon END,
    access = jsonb_strip_nulls(known.access || excluded.access),
    station_id = CASE WHEN 'station_id' = ANY ($3) THEN excluded.station_id ELSE known.station_id END,
    is_known = true

-- merge_elders: lines $1 up to $2; a column that is not among $3 stays as it is
INSERT INTO elder AS known (elder_id, name, birth_year, phone, risks, note, thresholds)
SELECT elder_id, name, birth_year, phone, coalesce(risks, '{}'), note, thresholds::jsonb
FROM staged_elders WHERE line >= $1 AND line < $2 ORDER BY elder_id
ON CONFLICT (elder_id) DO UPDATE SET
    name = excluded.name,
    birth_year = CASE WHEN 'birth_year' = ANY ($3::text[]) THEN excluded.birth_year ELSE known.birth_year END,
    phone = CASE WHEN 'phone' = ANY ($3) THEN excluded.phone ELSE known.phone END,
    risks = CASE WHEN 'risks' = ANY ($3) THEN excluded.risks ELSE known.risks END,
    note = CASE WHEN 'note' = ANY ($3) THEN excluded.note ELSE known.note END,
    thresholds = CASE WHEN 'thresholds' = ANY ($3) THEN excluded.thresholds ELSE known.thresholds END

-- leave_homes: elders of lines $1 up to $2 that lived elsewhere until today ($3)
UPDATE resident SET until = greatest($3::date, resident.since)
FROM leaving AS row
WHERE row.line >= $1 AND row.line < $2
    AND resident.home_id = row.home_id AND resident.elder_id = row.id AND resident.since = row.since

-- enter_homes: elders of lines $1 up to $2 live there from today ($3)
INSERT INTO resident (home_id, elder_id, since)
SELECT home_id, id, $3::date FROM entering WHERE line >= $1 AND line < $2 ORDER BY home_id, id
ON CONFLICT (home_id, elder_id, since) DO UPDATE SET until = NULL

-- merge_terminals: lines $1 up to $2; a column that is not among $3 stays as it is
INSERT INTO terminal AS known (terminal_id, kind, phone)
SELECT terminal_id, coalesce(kind, 'onekey'), phone
FROM staged_terminals WHERE line >= $1 AND line < $2 ORDER BY terminal_id
ON CONFLICT (terminal_id) DO UPDATE SET
    kind = CASE WHEN 'kind' = ANY ($3::text[]) THEN excluded.kind ELSE known.kind END,
    phone = CASE WHEN 'phone' = ANY ($3) THEN excluded.phone ELSE known.phone END

-- take_down: terminals of lines $1 up to $2 that hung elsewhere until today ($3)
UPDATE terminal_home AS hung SET until = greatest($3::date, hung.since)
FROM leaving AS row
WHERE row.line >= $1 AND row.line < $2
    AND hung.terminal_id = row.id AND hung.home_id = row.home_id AND hung.since = row.since

-- hang_up: terminals of lines $1 up to $2 hang there from today ($3); a column that is not among $4 stays as it is
INSERT INTO terminal_home AS hung (terminal_id, home_id, elder_id, since)
SELECT id, home_id, elder_id, $3::date FROM entering WHERE line >= $1 AND line < $2 ORDER BY id
ON CONFLICT (terminal_id, home_id, since) DO UPDATE SET
    until = NULL,
    elder_id = CASE WHEN 'elder_id' = ANY ($4::text[]) THEN excluded.elder_id ELSE hung.elder_id END

-- give: whose the terminals of lines $1 up to $2 are that stay; a column that is not among $3 stays as it is
UPDATE terminal_home AS hung SET elder_id = row.elder_id
FROM giving AS row
WHERE row.line >= $1 AND row.line < $2 AND 'elder_id' = ANY ($3::text[])
    AND hung.terminal_id = row.id AND hung.home_id = row.home_id AND hung.since = row.since

-- merge_workers: lines $1 up to $2; a column that is not among $3 stays as it is, and so do duty and place
INSERT INTO worker AS known (worker_id, name, station_id, travel, phone, skills)
SELECT worker_id, name, station_id, travel, phone, coalesce(skills, '{}')
FROM staged_workers WHERE line >= $1 AND line < $2 ORDER BY worker_id
ON CONFLICT (worker_id) DO UPDATE SET
    name = excluded.name,
    station_id = excluded.station_id,
    travel = excluded.travel,
    phone = CASE WHEN 'phone' = ANY ($3::text[]) THEN excluded.phone ELSE known.phone END,
    skills = CASE WHEN 'skills' = ANY ($3) THEN excluded.skills ELSE known.skills END

-- merge_contacts: lines $1 up to $2; a column that is not among $3 stays as it is
INSERT INTO contact AS known (home_id, rank, name, relation, phone, has_key)
SELECT home_id, rank, name, coalesce(relation, ''), phone, coalesce(has_key, false)
FROM staged_contacts WHERE line >= $1 AND line < $2 ORDER BY home_id, rank
ON CONFLICT (home_id, rank) DO UPDATE SET
    name = excluded.name,
    phone = excluded.phone,
    relation = CASE WHEN 'relation' = ANY ($3::text[]) THEN excluded.relation ELSE known.relation END,
    has_key = CASE WHEN 'has_key' = ANY ($3) THEN excluded.has_key ELSE known.has_key END
