-- How many attempts of the queue's jobs are under way, and one more if a suspect waits.
SELECT (SELECT count(*) FROM tidings_claims AS c CROSS JOIN tidings_jobs AS j ON j.place = c.place WHERE j.queue = ?1)
     + EXISTS (SELECT 1 FROM tidings_jobs
               WHERE queue = ?1 AND turn = 100000 AND name IN (SELECT value FROM json_each(?2))
                 AND place NOT IN (SELECT place FROM tidings_claims))
