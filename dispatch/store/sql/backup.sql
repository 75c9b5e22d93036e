-- tables: every table of ours but the parts of parted ones, with its columns in order and its counting column, if any
SELECT class.relname AS name,
    array_agg(attribute.attname::text ORDER BY attribute.attnum) AS columns,
    min(attribute.attname::text) FILTER (WHERE attribute.attidentity <> '') AS counts
FROM pg_class AS class JOIN pg_attribute AS attribute ON attribute.attrelid = class.oid
WHERE class.relnamespace = current_schema()::regnamespace AND class.relkind IN ('r', 'p') AND NOT class.relispartition
    AND attribute.attnum > 0 AND NOT attribute.attisdropped AND attribute.attgenerated = '' AND class.relname <> 'migration'
GROUP BY class.relname ORDER BY class.relname

-- parts: the parts of parted tables, and the bounds of each
SELECT parent.relname AS parent, part.relname AS name, pg_get_expr(part.relpartbound, part.oid) AS bounds
FROM pg_inherits JOIN pg_class AS part ON part.oid = inhrelid JOIN pg_class AS parent ON parent.oid = inhparent
WHERE parent.relkind = 'p' AND parent.relnamespace = current_schema()::regnamespace
ORDER BY parent.relname, part.relname

-- references: which table must be there before which
SELECT DISTINCT class.relname AS name, parent.relname AS needs
FROM pg_constraint JOIN pg_class AS class ON class.oid = conrelid JOIN pg_class AS parent ON parent.oid = confrelid
WHERE contype = 'f' AND conparentid = 0 AND class.relnamespace = current_schema()::regnamespace AND class.oid <> parent.oid

-- migrations: what was done here
SELECT name, checksum FROM migration ORDER BY name

-- is_used: whether anything at all is in this schema
SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'S'))

-- version: the server's
SELECT current_setting('server_version')
