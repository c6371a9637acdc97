-- A key whose record has expired is free again; a live one leaves no row changed, which means "used". Whoever has the same key
-- and has not committed yet is waited for.
INSERT INTO tidings_outcomes (id, command, correlation_id, causation_id, caller, key, payload_hash, status, body, at, expires,
                              unhandled)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (caller, command, key) WHERE key IS NOT NULL DO UPDATE
SET id = excluded.id, correlation_id = excluded.correlation_id, causation_id = excluded.causation_id,
    payload_hash = excluded.payload_hash, status = excluded.status, body = excluded.body, at = excluded.at,
    expires = excluded.expires, unhandled = excluded.unhandled
WHERE tidings_outcomes.expires <= excluded.at
