-- There is to be another attempt, unless somebody has asked for the job to be cancelled.
UPDATE tidings_jobs
SET state = CASE WHEN reason IS NOT NULL THEN 'cancelled' ELSE ?2 END,
    turn = CASE WHEN reason IS NULL AND ?2 = 'ready' THEN priority END,
    waits_until = CASE WHEN reason IS NULL AND ?2 = 'scheduled' THEN ?3 END,
    due = ?3, failures = failures + ?4, losses = 0, error = coalesce(?5, error), worker = NULL,
    ended_at = CASE WHEN reason IS NOT NULL THEN ?6 END,
    holds = CASE WHEN reason IS NOT NULL THEN 0 ELSE holds END,
    unique_key = CASE WHEN reason IS NULL OR unique_until > ?6 THEN unique_key END
WHERE place = ?1
RETURNING queue, key
