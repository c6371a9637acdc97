-- There is to be another attempt, unless somebody has asked for the job to be cancelled. One that was given back (it is
-- ready at once) is as suspect as before.
--
-- Another one of its key may be running, or be dead and hold it, where queues have become one: then it waits. Those that
-- do not wait come before all that wait with `holds` = 1, so that a look at either neighbour tells.
UPDATE tidings_jobs
SET state = CASE WHEN reason IS NOT NULL THEN 'cancelled' WHEN there.waits IS NOT NULL THEN 'behind'
                 WHEN ?2 = 'ready' AND losses > 0 THEN 'suspect' ELSE ?2 END,
    turn = CASE WHEN reason IS NOT NULL OR there.waits IS NOT NULL OR ?2 <> 'ready' THEN NULL
                WHEN losses > 0 THEN 100000 ELSE priority + iif(share IS NULL, 0, 300000) END,
    waits_until = CASE WHEN reason IS NULL AND there.waits IS NULL AND ?2 = 'scheduled' THEN ?3 END,
    due = ?3, failures = failures + ?4, losses = CASE WHEN ?2 = 'ready' THEN losses ELSE 0 END, error = coalesce(?5, error),
    (attempts, started_at) = (SELECT attempt, started_at FROM tidings_claims AS c WHERE c.place = ?1),
    ended_at = CASE WHEN reason IS NOT NULL THEN ?6 END,
    holds = CASE WHEN reason IS NOT NULL THEN 0 ELSE coalesce(there.waits, holds) END,
    unique_key = CASE WHEN reason IS NULL OR unique_until > ?6 THEN unique_key END
FROM (SELECT job.place,
             CASE WHEN (SELECT j.state <> 'behind' FROM tidings_jobs AS j
                        WHERE j.queue = job.queue AND j.key = job.key AND j.holds = 1 AND j.place > job.place
                        ORDER BY j.place LIMIT 1) THEN 2
                  WHEN EXISTS (SELECT 1 FROM tidings_jobs AS j
                               WHERE j.queue = job.queue AND j.key = job.key AND j.holds = 1 AND j.place < job.place) THEN 1
             END AS waits
      FROM tidings_jobs AS job WHERE job.place = ?1) AS there
WHERE tidings_jobs.place = there.place
RETURNING queue, key
