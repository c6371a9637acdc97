-- The next priority of which there are jobs.
SELECT min(turn) FROM (
    SELECT min(turn) AS turn FROM tidings_jobs WHERE queue = ?1 AND turn > ?2 AND turn < 100000 AND share IS NULL
    UNION ALL
    SELECT min(turn) FROM tidings_jobs WHERE queue = ?1 AND turn > ?2 AND turn < 100000 AND share IS NOT NULL)
