-- Looked for queue by queue, because that is how the index goes.
WITH RECURSIVE queues (queue) AS (
    SELECT min(queue) FROM tidings_jobs WHERE turn IS NOT NULL
    UNION ALL
    SELECT (SELECT min(j.queue) FROM tidings_jobs AS j WHERE j.turn IS NOT NULL AND j.queue > queues.queue)
    FROM queues WHERE queue IS NOT NULL)
SELECT j.id, j.attempts, j.reason
FROM queues AS q JOIN tidings_jobs AS j ON j.queue = q.queue AND j.turn = 100001
WHERE j.worker = ?1 AND j.reason IS NOT NULL
ORDER BY j.place
