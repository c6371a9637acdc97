SELECT min(waits_until) FROM tidings_jobs WHERE queue = ?1 AND waits_until IS NOT NULL
