-- Whether anything is on record of a queue. Those that have ended come last: they are looked through, but are few.
SELECT EXISTS (SELECT 1 FROM tidings_queues WHERE name = ?1)
    OR EXISTS (SELECT 1 FROM tidings_jobs WHERE queue = ?1 AND turn IS NOT NULL)
    OR EXISTS (SELECT 1 FROM tidings_jobs WHERE queue = ?1 AND waits_until IS NOT NULL)
    OR EXISTS (SELECT 1 FROM tidings_job_names WHERE queue = ?1)
    OR EXISTS (SELECT 1 FROM tidings_jobs WHERE queue = ?1 AND ended_at IS NOT NULL)
