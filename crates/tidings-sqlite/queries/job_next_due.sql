SELECT min(due) FROM tidings_jobs WHERE queue = ?1 AND state = 'scheduled'
