-- Newest first: where several of one key are left, each waits behind the older ones, and the oldest is the next to run.
-- What a worker is at, looked for queue by queue, because that is how the index goes.
WITH RECURSIVE queues (queue) AS (
    SELECT min(queue) FROM tidings_jobs WHERE turn IS NOT NULL
    UNION ALL
    SELECT (SELECT min(j.queue) FROM tidings_jobs AS j WHERE j.turn IS NOT NULL AND j.queue > queues.queue)
    FROM queues WHERE queue IS NOT NULL)
SELECT j.place, j.worker, j.attempts
FROM queues AS q JOIN tidings_jobs AS j ON j.queue = q.queue AND j.turn = 100001
WHERE j.worker = ?1
ORDER BY j.place DESC
