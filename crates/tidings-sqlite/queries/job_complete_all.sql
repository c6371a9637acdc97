-- Jobs that nobody has to be looked after for when they end, all with the same number of attempts.
UPDATE tidings_jobs SET state = 'completed', turn = NULL, ended_at = ?4, worker = NULL, losses = 0, reason = NULL
WHERE place IN (SELECT value FROM json_each(?1)) AND worker = ?2 AND attempts = ?3 AND state = 'running'
RETURNING place
