SELECT 1 FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 1 LIMIT 1
