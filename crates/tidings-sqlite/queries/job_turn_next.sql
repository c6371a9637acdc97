-- The next priority of which there are jobs.
SELECT min(priority) FROM (
    SELECT min(turn) AS priority FROM tidings_jobs WHERE queue = ?1 AND turn > ?2 AND turn < 100000
    UNION ALL
    SELECT min(turn) - 300000 FROM tidings_jobs WHERE queue = ?1 AND turn > ?2 + 300000)
