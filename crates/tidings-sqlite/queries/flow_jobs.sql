SELECT place, id, name, queue, source, key, causation_id, traceparent, state, at, due, attempts, started_at,
       coalesce(ended_at, died_at), death, error, reason
FROM tidings_jobs
WHERE correlation_id = ?1
ORDER BY place
