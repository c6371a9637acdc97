-- Of those that may go: what keeps a unique key is not counted, or it would drive the others out.
SELECT count(*) - (SELECT count(*) FROM tidings_jobs
                   WHERE unique_key IS NOT NULL AND ended_at IS NOT NULL AND unique_until > ?1)
FROM tidings_jobs WHERE ended_at IS NOT NULL
