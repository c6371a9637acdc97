-- A key outlives its job only until its time.
UPDATE tidings_jobs SET unique_key = NULL
WHERE name = ?1 AND unique_key = ?2 AND state IN ('completed', 'cancelled', 'discarded') AND unique_until <= ?3
