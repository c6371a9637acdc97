-- Delayed jobs whose time has come. They are kept apart so that those whose time is far off cost a claim nothing.
UPDATE tidings_jobs SET state = 'ready'
WHERE place IN (SELECT place FROM tidings_jobs
                WHERE queue = ?1 AND state = 'scheduled' AND due <= ?2 ORDER BY due LIMIT ?3)
