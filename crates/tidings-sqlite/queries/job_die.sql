UPDATE tidings_jobs
SET state = 'dead', turn = 100002, death = ?2, error = ?3, holds = CASE WHEN ?4 THEN 0 ELSE holds END, died_at = ?5,
    worker = NULL, failures = failures + 1, reason = NULL
WHERE place = ?1
RETURNING queue, key
