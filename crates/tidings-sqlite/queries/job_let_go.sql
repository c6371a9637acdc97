-- What a job held that has been completed.
UPDATE tidings_jobs SET holds = 0, unique_key = CASE WHEN unique_until > ended_at THEN unique_key END
WHERE place = ?1
RETURNING queue, key
