INSERT INTO tidings_attempts (job, attempt, worker, started_at, ended_at, ending, error)
SELECT place, attempts, worker, started_at, ?4, ?5, ?6
FROM tidings_jobs
WHERE place = ?1 AND worker = ?2 AND attempts = ?3 AND state = 'running'
