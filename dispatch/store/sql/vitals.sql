-- days: the day partitions of the readings there are
SELECT child.relname AS name FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'vitals'::regclass

-- make_day: what makes the table of one day $1, up to $2, called $3, without stopping whoever writes or reads meanwhile
SELECT format(
    'CREATE TABLE IF NOT EXISTS %1$I (LIKE vitals INCLUDING ALL);'
    'ALTER TABLE vitals ATTACH PARTITION %1$I FOR VALUES FROM (%2$L) TO (%3$L)',
    $3::text, $1::timestamptz, $2::timestamptz
)

-- drop_day: what takes away the table of one day, called $1
SELECT format('DROP TABLE IF EXISTS %I', $1::text)
