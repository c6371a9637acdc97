-- Attempts whose worker is not among the living.
SELECT place, worker, attempts FROM tidings_jobs
WHERE state = 'running' AND worker NOT IN (SELECT value FROM json_each(?1))
ORDER BY place
