-- The newest of the ended jobs that are too many, of those that are not too old.
SELECT ended_at, place FROM tidings_jobs_ended
WHERE ended_at >= $1 AND (kept_until IS NULL OR kept_until <= $3)
ORDER BY ended_at DESC, place DESC
OFFSET $2 LIMIT 1
