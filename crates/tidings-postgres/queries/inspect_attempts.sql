SELECT a.attempt, a.worker, a.started_at, a.ended_at, a.ending, a.error
FROM tidings_attempts AS a
WHERE a.job = (SELECT place FROM tidings_jobs WHERE id = $1)
ORDER BY a.attempt
