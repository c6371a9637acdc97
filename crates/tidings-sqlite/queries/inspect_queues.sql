SELECT q.name, s.paused_reason,
       (SELECT min(waits_until) FROM tidings_jobs AS j WHERE j.queue = q.name AND j.waits_until IS NOT NULL)
FROM (SELECT name FROM tidings_queues UNION SELECT queue FROM tidings_job_names UNION SELECT value FROM json_each(?1)) AS q
LEFT JOIN tidings_queues AS s ON s.name = q.name
ORDER BY q.name
