SELECT EXISTS (SELECT 1 FROM tidings_jobs WHERE queue = ?1 AND turn > 200000)
