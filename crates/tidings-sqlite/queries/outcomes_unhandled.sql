SELECT id, command, correlation_id, caller, key, payload_hash, status, body, at, expires, unhandled, causation_id
FROM tidings_outcomes
WHERE unhandled = 1
ORDER BY at
LIMIT ?1
