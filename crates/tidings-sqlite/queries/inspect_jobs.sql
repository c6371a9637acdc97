SELECT id, name, queue, state, priority, key, attempts, failures, losses, at, due, started_at, coalesce(ended_at, died_at), worker, death, error,
       reason, progress, source, correlation_id, causation_id, data
FROM tidings_jobs
WHERE (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR state = ?3)
ORDER BY place
LIMIT ?4
