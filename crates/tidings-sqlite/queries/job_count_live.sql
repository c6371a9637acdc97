SELECT count(*) FROM tidings_jobs WHERE name = ?1 AND state NOT IN ('completed', 'cancelled', 'discarded')
