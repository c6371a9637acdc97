-- It may have been this job that took its worker with it, so it runs alone next.
--
-- Another one of its key may be running, or be dead and hold it, where queues have become one: then it waits. Those that
-- do not wait come before all that wait with `holds` = 1, so that a look at either neighbour tells.
UPDATE tidings_jobs
SET state = CASE WHEN reason IS NOT NULL THEN 'cancelled' WHEN there.waits IS NOT NULL THEN 'behind' ELSE 'suspect' END,
    turn = CASE WHEN reason IS NULL AND there.waits IS NULL THEN 100000 END,
    losses = losses + 1, error = ?2,
    (attempts, started_at) = (SELECT attempt, started_at FROM tidings_claims AS c WHERE c.place = ?1),
    ended_at = CASE WHEN reason IS NOT NULL THEN ?3 END,
    holds = CASE WHEN reason IS NOT NULL THEN 0 ELSE coalesce(there.waits, holds) END,
    unique_key = CASE WHEN reason IS NULL OR unique_until > ?3 THEN unique_key END
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
