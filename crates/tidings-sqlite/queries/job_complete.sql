-- A job that has held a key, or was unique.
UPDATE tidings_jobs
SET state = 'completed', turn = NULL, ended_at = ?2, losses = 0, reason = NULL,
    (attempts, started_at) = (SELECT attempt, started_at FROM tidings_claims AS c WHERE c.place = ?1),
    holds = 0, unique_key = CASE WHEN unique_until > ?2 THEN unique_key END
WHERE place = ?1
RETURNING queue, key
