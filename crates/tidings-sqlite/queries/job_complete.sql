UPDATE tidings_jobs SET state = 'completed', turn = NULL, ended_at = ?4, worker = NULL, losses = 0, reason = NULL
WHERE place = ?1 AND worker = ?2 AND attempts = ?3 AND state = 'running'
