SELECT id, command, correlation_id, causation_id, caller, key, payload_hash, status, body, at, expires, unhandled
FROM tidings_outcomes
WHERE caller = $1 AND command = $2 AND key = $3 AND expires > $4
