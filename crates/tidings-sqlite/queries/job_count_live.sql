SELECT count(*) FROM tidings_jobs WHERE name = ?1 AND ended_at IS NULL
