SELECT id, name, queue, iif(c.place IS NULL, state, 'running'), priority, key, coalesce(c.attempt, attempts), failures, losses, at, due,
       coalesce(c.started_at, j.started_at), coalesce(ended_at, died_at), c.worker, death, error, reason, progress, source,
       correlation_id, causation_id, data, share
FROM tidings_jobs AS j LEFT JOIN tidings_claims AS c ON c.place = j.place
WHERE (?1 IS NULL OR queue = ?1) AND (?2 IS NULL OR name = ?2) AND (?3 IS NULL OR iif(c.place IS NULL, state, 'running') = ?3)
ORDER BY j.place
LIMIT ?4
