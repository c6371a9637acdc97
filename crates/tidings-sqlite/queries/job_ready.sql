-- Those that run are passed over in the index: it is asked for their place before it is for their name, which is in the row.
SELECT place, id, name, key, attempts, unique_key IS NOT NULL, failures, losses, at, correlation_id,
       causation_id, traceparent, tracestate, baggage, progress, data
FROM tidings_jobs
WHERE queue = ?1 AND turn < 100000 AND place NOT IN (SELECT place FROM tidings_claims)
  AND name IN (SELECT value FROM json_each(?2))
ORDER BY turn, place
LIMIT ?3
