-- There is to be another attempt, unless somebody has asked for the job to be cancelled. One that was given back (it is
-- ready at once) is as suspect as before.
UPDATE tidings_jobs
SET state = CASE WHEN reason IS NOT NULL THEN 'cancelled' WHEN ?2 = 'ready' AND losses > 0 THEN 'suspect' ELSE ?2 END,
    turn = CASE WHEN reason IS NOT NULL OR ?2 <> 'ready' THEN NULL WHEN losses > 0 THEN 100000 ELSE priority END,
    waits_until = CASE WHEN reason IS NULL AND ?2 = 'scheduled' THEN ?3 END,
    due = ?3, failures = failures + ?4, losses = CASE WHEN ?2 = 'ready' THEN losses ELSE 0 END, error = coalesce(?5, error), worker = NULL,
    ended_at = CASE WHEN reason IS NOT NULL THEN ?6 END,
    holds = CASE WHEN reason IS NOT NULL THEN 0 ELSE holds END,
    unique_key = CASE WHEN reason IS NULL OR unique_until > ?6 THEN unique_key END
WHERE place = ?1
RETURNING queue, key
