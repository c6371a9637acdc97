-- It waits in the queue that its name has now. If it had let go of its key, it waits behind the one that holds it.
UPDATE tidings_jobs
SET queue = there.queue,
    state = CASE WHEN holds = 0 AND there.head IS NOT NULL THEN 'behind' ELSE 'ready' END,
    turn = CASE WHEN holds = 0 AND there.head IS NOT NULL THEN NULL ELSE priority END,
    holds = CASE WHEN key IS NULL THEN 0 WHEN holds = 0 AND there.head > there.place THEN 2 ELSE 1 END,
    unique_key = unique_wish, waits_until = NULL, due = ?2, failures = 0, losses = 0, death = NULL, reason = NULL, died_at = NULL, ended_at = NULL
FROM (SELECT place, queue,
             (SELECT min(j.place) FROM tidings_jobs AS j
              WHERE j.queue = job.queue AND j.key = job.key AND j.holds = 1) AS head
      FROM (SELECT j.place, j.key, coalesce(n.queue, j.queue) AS queue
            FROM tidings_jobs AS j LEFT JOIN tidings_job_names AS n ON n.name = j.name
            WHERE j.place = ?1) AS job) AS there
WHERE tidings_jobs.place = there.place
RETURNING queue, key
