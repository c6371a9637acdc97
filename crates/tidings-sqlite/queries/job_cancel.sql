-- One that waits, or one that runs and whose attempt ends with this.
UPDATE tidings_jobs
SET state = 'cancelled', turn = NULL, waits_until = NULL, reason = ?2, ended_at = ?3, holds = 0,
    attempts = coalesce((SELECT attempt FROM tidings_claims AS c WHERE c.place = ?1), attempts),
    started_at = coalesce((SELECT c.started_at FROM tidings_claims AS c WHERE c.place = ?1), started_at),
    unique_key = CASE WHEN unique_until > ?3 THEN unique_key END
WHERE place = ?1
RETURNING queue, key
