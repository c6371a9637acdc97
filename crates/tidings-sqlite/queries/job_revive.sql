-- It waits in the queue that its name has now.
--
-- Another one of its key may be running, or be dead and hold it, where this one had let go of it, or queues have become one:
-- then it waits. Those that do not wait come before all that wait with `holds` = 1, so that a look at either neighbour tells.
UPDATE tidings_jobs
SET queue = there.queue,
    state = CASE WHEN there.waits IS NOT NULL THEN 'behind' ELSE 'ready' END,
    turn = CASE WHEN there.waits IS NULL THEN priority + iif(share IS NULL, 0, 300000) END,
    holds = CASE WHEN key IS NULL THEN 0 ELSE coalesce(there.waits, 1) END,
    unique_key = unique_wish, waits_until = NULL, due = ?2, failures = 0, losses = 0, death = NULL, reason = NULL, died_at = NULL, ended_at = NULL
FROM (SELECT job.place, job.queue,
             CASE WHEN (SELECT j.state <> 'behind' FROM tidings_jobs AS j
                        WHERE j.queue = job.queue AND j.key = job.key AND j.holds = 1 AND j.place > job.place
                        ORDER BY j.place LIMIT 1) THEN 2
                  WHEN EXISTS (SELECT 1 FROM tidings_jobs AS j
                               WHERE j.queue = job.queue AND j.key = job.key AND j.holds = 1 AND j.place < job.place) THEN 1
             END AS waits
      FROM (SELECT j.place, j.key, coalesce(n.queue, j.queue) AS queue
            FROM tidings_jobs AS j LEFT JOIN tidings_job_names AS n ON n.name = j.name
            WHERE j.place = ?1) AS job) AS there
WHERE tidings_jobs.place = there.place
RETURNING queue, key
