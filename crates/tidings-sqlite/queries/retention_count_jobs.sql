SELECT count(*) FROM tidings_jobs WHERE state IN ('completed', 'cancelled', 'discarded')
