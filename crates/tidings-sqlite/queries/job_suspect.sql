-- ?1 says of each queue how many attempts of its jobs may be under way; null for any number.
SELECT place, id, name, key, attempts, unique_key IS NOT NULL, failures, losses, at, correlation_id,
       causation_id, traceparent, tracestate, baggage, progress, data, queue
FROM tidings_jobs
WHERE turn = 100000 AND name IN (SELECT value FROM json_each(?2))
  AND queue IN (SELECT l.key FROM json_each(?1) AS l
                WHERE l.value IS NULL
                   OR l.value > (SELECT count(*) FROM tidings_claims AS c CROSS JOIN tidings_jobs AS j ON j.place = c.place
                                 WHERE j.queue = l.key))
  AND place NOT IN (SELECT place FROM tidings_claims)
  AND NOT EXISTS (SELECT 1 FROM tidings_queues AS q WHERE q.name = queue AND q.paused_at IS NOT NULL)
ORDER BY place
LIMIT 1
