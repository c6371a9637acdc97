-- Jobs that nobody has to be looked after for when they end, all with the same number of attempts, the last of which began together.
UPDATE tidings_jobs
SET state = 'completed', turn = NULL, attempts = ?2, started_at = ?3, ended_at = ?4, losses = 0, reason = NULL
WHERE place IN (SELECT value FROM json_each(?1))
