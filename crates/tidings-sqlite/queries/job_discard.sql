UPDATE tidings_jobs
SET state = 'discarded', turn = NULL, reason = ?2, ended_at = ?3, holds = 0,
    unique_key = CASE WHEN unique_until > ?3 THEN unique_key END
WHERE place = ?1
RETURNING queue, key
