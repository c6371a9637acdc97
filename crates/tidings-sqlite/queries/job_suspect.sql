SELECT place, id, name, key, attempts, unique_key IS NOT NULL, failures, losses, at, correlation_id,
       causation_id, traceparent, tracestate, baggage, progress, data, queue
FROM tidings_jobs
WHERE turn = 100000 AND queue IN (SELECT value FROM json_each(?1)) AND name IN (SELECT value FROM json_each(?2))
  AND place NOT IN (SELECT place FROM tidings_claims)
  AND NOT EXISTS (SELECT 1 FROM tidings_queues AS q WHERE q.name = queue AND q.paused_at IS NOT NULL)
ORDER BY place
LIMIT 1
