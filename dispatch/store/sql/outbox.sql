-- add: messages to send, in the commit that decided them
INSERT INTO outbox (
    outbox_id, channel, recipient, message, incident_id, offer_id, body, created_at, expires_at
)
SELECT
    outbox_id, channel, recipient, message, incident_id, offer_id, body, created_at, expires_at
FROM jsonb_to_recordset($1::jsonb) AS new (
    outbox_id uuid, channel text, recipient text, message text, incident_id uuid, offer_id uuid, body jsonb,
    created_at timestamptz, expires_at timestamptz
)

-- void_offers: offers that ended before they were sent, with the reason
UPDATE outbox SET state = 'void', ended_at = $3, reason = $2
WHERE state = 'queued' AND message = 'offer' AND offer_id = ANY ($1::uuid[])

-- finish: what became of messages that were tried
UPDATE outbox SET state = new.state, ended_at = $5, reason = new.reason, attempts = outbox.attempts + new.attempts
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[]) AS new (outbox_id, state, reason, attempts)
WHERE outbox.outbox_id = new.outbox_id AND outbox.state = 'queued'

-- queued: messages not yet sent, oldest first, that are older than a moment
SELECT outbox_id, channel, recipient, message, incident_id, offer_id, body::text AS body, created_at, expires_at
FROM outbox WHERE state = 'queued' AND created_at <= $1 ORDER BY outbox_id LIMIT $2

-- oldest_queued: when the oldest message not yet sent was decided
SELECT min(created_at) FROM outbox WHERE state = 'queued'
