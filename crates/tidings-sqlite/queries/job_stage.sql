-- Delayed jobs whose time has come. They are kept apart so that those whose time is far off cost a claim nothing.
UPDATE tidings_jobs SET state = 'ready', turn = priority + iif(share IS NULL, 0, 300000), waits_until = NULL
WHERE place IN (SELECT place FROM tidings_jobs
                WHERE queue = ?1 AND waits_until <= ?2 ORDER BY waits_until LIMIT ?3)
