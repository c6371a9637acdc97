UPDATE tidings_jobs
SET state = 'completed', ended_at = ?4, worker = NULL, holds = 0, losses = 0, reason = NULL,
    unique_key = CASE WHEN unique_until > ?4 THEN unique_key END
WHERE place = ?1 AND worker = ?2 AND attempts = ?3 AND state = 'running'
RETURNING queue, key
