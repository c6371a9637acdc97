UPDATE tidings_jobs SET queue = ?2 WHERE name = ?1 AND queue <> ?2 AND ended_at IS NULL
