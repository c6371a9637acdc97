-- A key outlives its job only until its time.
UPDATE tidings_jobs SET unique_key = NULL
WHERE name = ?1 AND unique_key = ?2 AND ended_at IS NOT NULL AND unique_until <= ?3
