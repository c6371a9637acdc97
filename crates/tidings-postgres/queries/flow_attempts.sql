SELECT a.job, a.attempt, a.worker, a.started_at, a.ended_at, a.ending, a.error
FROM tidings_jobs j
JOIN tidings_attempts a ON a.job = j.place
WHERE j.correlation_id = $1
ORDER BY a.job, a.attempt
