-- answer: is anybody there
SELECT 1

-- look: since when the oldest message and the oldest receipt wait to be sent, and when the earliest clock runs out
SELECT
    (SELECT min(created_at) FROM outbox WHERE state = 'queued') AS unsent_since,
    (SELECT min(created_at) FROM outbox WHERE state = 'queued' AND channel = 'terminal') AS receipt_unsent_since,
    (SELECT min(due_at) FROM incident WHERE due_at IS NOT NULL) AS next_due_at

-- has_journal: whether anything was ever migrated here
SELECT to_regclass('migration') IS NOT NULL

-- migrated: the migrations done here
SELECT name FROM migration ORDER BY name
