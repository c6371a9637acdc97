-- It may have been this job that took its worker with it, so it runs alone next.
UPDATE tidings_jobs
SET state = CASE WHEN reason IS NOT NULL THEN 'cancelled' ELSE 'suspect' END,
    turn = CASE WHEN reason IS NULL THEN 100000 END,
    losses = losses + 1, error = ?2, worker = NULL,
    ended_at = CASE WHEN reason IS NOT NULL THEN ?3 END,
    holds = CASE WHEN reason IS NOT NULL THEN 0 ELSE holds END,
    unique_key = CASE WHEN reason IS NULL OR unique_until > ?3 THEN unique_key END
WHERE place = ?1
RETURNING queue, key
