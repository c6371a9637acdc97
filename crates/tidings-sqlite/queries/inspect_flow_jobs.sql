SELECT id, name, queue, state, priority, key, attempts, failures, losses, at, due, started_at, coalesce(ended_at, died_at), worker, death, error,
       reason, progress, source, correlation_id, causation_id, data
FROM tidings_jobs
WHERE correlation_id = ?1
ORDER BY place
