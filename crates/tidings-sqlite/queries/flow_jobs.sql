SELECT j.place, id, name, queue, source, key, causation_id, traceparent, iif(c.place IS NULL, state, 'running'), at, due,
       coalesce(c.attempt, attempts), coalesce(c.started_at, j.started_at), coalesce(ended_at, died_at), death, error, reason,
       share
FROM tidings_jobs AS j LEFT JOIN tidings_claims AS c ON c.place = j.place
WHERE correlation_id = ?1
ORDER BY j.place
