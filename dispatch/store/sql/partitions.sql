-- parts: the parts of table $1 there are
SELECT child.relname AS name FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = $1::text::regclass

-- make_part: what makes the part of table $1 called $2, from $3 up to $4, without stopping whoever writes or reads
SELECT format(
    'CREATE TABLE %2$I (LIKE %1$I INCLUDING ALL);'
    'ALTER TABLE %1$I ATTACH PARTITION %2$I FOR VALUES FROM (%3$L) TO (%4$L)',
    $1::text, $2::text, $3::timestamptz, $4::timestamptz
)

-- drop_part: what takes away the part called $1
SELECT format('DROP TABLE IF EXISTS %I', $1::text)
