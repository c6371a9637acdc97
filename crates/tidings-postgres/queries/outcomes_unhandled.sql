SELECT id, command, correlation_id, causation_id, caller, key, payload_hash, status, body, at, expires, unhandled
FROM tidings_outcomes
WHERE unhandled
ORDER BY at, id
LIMIT $1
