SELECT count(*) FROM tidings_jobs WHERE ended_at IS NOT NULL
