UPDATE tidings_jobs
SET state = 'dead', turn = 100001, death = ?2, error = ?3, holds = CASE WHEN ?4 THEN 0 ELSE holds END, died_at = ?5,
    (attempts, started_at) = (SELECT attempt, started_at FROM tidings_claims AS c WHERE c.place = ?1),
    failures = failures + 1, reason = NULL
WHERE place = ?1
RETURNING queue, key
