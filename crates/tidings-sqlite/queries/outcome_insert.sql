-- A key whose record has expired is free again; a live one leaves no row changed, which means "used".
INSERT INTO tidings_outcomes (id, command, correlation_id, caller, key, payload_hash, status, body, at, expires, unhandled,
                              causation_id)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
ON CONFLICT (caller, command, key) WHERE key IS NOT NULL DO UPDATE
SET id = excluded.id, correlation_id = excluded.correlation_id, payload_hash = excluded.payload_hash,
    status = excluded.status, body = excluded.body, at = excluded.at, expires = excluded.expires,
    unhandled = excluded.unhandled, causation_id = excluded.causation_id
WHERE tidings_outcomes.expires <= excluded.at
