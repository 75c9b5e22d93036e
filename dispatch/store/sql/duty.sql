-- go_on_duty: a worker is there from now on; no row if nobody has this id
UPDATE worker SET is_on_duty = true, duty_at = CASE WHEN is_on_duty THEN duty_at ELSE $2 END
WHERE worker_id = $1
RETURNING worker_id

-- go_off_duty: a worker leaves, unless they have said yes to a call that is not over; no row if they may not
UPDATE worker SET is_on_duty = false, duty_at = CASE WHEN is_on_duty THEN $2 ELSE duty_at END
WHERE worker_id = $1 AND NOT EXISTS (
    SELECT FROM assignment
    WHERE assignment.worker_id = worker.worker_id AND state IN ('accepted', 'en_route', 'on_scene')
)
RETURNING worker_id

-- save_places: where workers were last heard from; what is older than the last one known is passed over
UPDATE worker SET lat = new.lat, lon = new.lon, accuracy_m = new.accuracy_m, place_at = new.place_at
FROM unnest($1::text[], $2::float8[], $3::float8[], $4::float8[], $5::timestamptz[])
    AS new (worker_id, lat, lon, accuracy_m, place_at)
WHERE worker.worker_id = new.worker_id AND (worker.place_at IS NULL OR worker.place_at <= new.place_at)
