SELECT place, id, name, key, attempts, failures, losses, at, correlation_id, causation_id, traceparent, tracestate, baggage,
       progress, data
FROM tidings_jobs
WHERE queue = ?1 AND state = 'ready' AND name IN (SELECT value FROM json_each(?2))
ORDER BY priority, place
LIMIT ?3
