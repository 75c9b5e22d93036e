-- workers: the workers after one id, in order of id, with the place of the station and whether a call occupies them
SELECT worker.worker_id, worker.name, worker.station_id, worker.travel, worker.phone, worker.skills,
    worker.is_on_duty, worker.lat, worker.lon, worker.accuracy_m, worker.place_at,
    station.lat AS station_lat, station.lon AS station_lon, live.worker_id IS NOT NULL AS is_busy
FROM worker
JOIN station USING (station_id)
LEFT JOIN assignment AS live ON live.worker_id = worker.worker_id
    AND live.state IN ('offered', 'accepted', 'en_route', 'on_scene')
WHERE worker.worker_id > $1
ORDER BY worker.worker_id
LIMIT $2

-- door: where an incident's worker is to go, and who has had the call before
SELECT i.incident_id, i.band, i.policy_hash, home.lat, home.lon, home.access::text AS access,
    station.lat AS station_lat, station.lon AS station_lon,
    (SELECT array_agg(a.worker_id) FROM assignment AS a
     WHERE a.incident_id = i.incident_id AND a.state = 'declined') AS declined,
    (SELECT array_agg(a.worker_id) FROM assignment AS a
     WHERE a.incident_id = i.incident_id AND a.state IN ('lapsed', 'lost')) AS silent
FROM incident AS i
LEFT JOIN home ON i.subject_kind = 'home' AND home.home_id = i.subject_id
LEFT JOIN station USING (station_id)
WHERE i.incident_id = $1

-- waiting: incidents that want more workers asked, with what their queue and ranking need
SELECT i.incident_id, i.band, i.opened_at, i.level, i.wants, i.nobody, i.policy_hash,
    home.lat, home.lon, home.access::text AS access, station.lat AS station_lat, station.lon AS station_lon,
    (SELECT array_agg(a.worker_id) FROM assignment AS a
     WHERE a.incident_id = i.incident_id AND a.state = 'declined') AS declined,
    (SELECT array_agg(a.worker_id) FROM assignment AS a
     WHERE a.incident_id = i.incident_id AND a.state IN ('lapsed', 'lost')) AS silent
FROM incident AS i
LEFT JOIN home ON i.subject_kind = 'home' AND home.home_id = i.subject_id
LEFT JOIN station USING (station_id)
WHERE i.wants > 0 AND (NOT i.nobody OR $2)
ORDER BY i.band, i.opened_at
LIMIT $1
