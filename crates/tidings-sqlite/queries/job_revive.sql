-- One that has let go of its key meanwhile waits behind those that hold it.
UPDATE tidings_jobs
SET (state, turn) = (SELECT CASE WHEN behind THEN 'behind' ELSE 'ready' END, CASE WHEN behind THEN NULL ELSE priority END
                     FROM (SELECT holds = 0 AND key IS NOT NULL
                                  AND EXISTS (SELECT 1 FROM tidings_jobs AS j
                                              WHERE j.queue = tidings_jobs.queue AND j.key = tidings_jobs.key
                                                AND j.holds = 1) AS behind)),
    waits_until = NULL, holds = key IS NOT NULL, due = ?2, failures = 0, losses = 0, death = NULL, reason = NULL,
    died_at = NULL, ended_at = NULL
WHERE place = ?1
RETURNING queue, key
