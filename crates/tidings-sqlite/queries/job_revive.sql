-- One that has let go of its key meanwhile waits behind those that hold it.
UPDATE tidings_jobs
SET state = CASE WHEN holds = 0 AND key IS NOT NULL
                      AND EXISTS (SELECT 1 FROM tidings_jobs AS j
                                  WHERE j.queue = tidings_jobs.queue AND j.key = tidings_jobs.key AND j.holds = 1)
                 THEN 'behind' ELSE 'ready' END,
    holds = key IS NOT NULL, due = ?2, failures = 0, losses = 0, death = NULL, reason = NULL, ended_at = NULL
WHERE place = ?1
RETURNING queue, key
