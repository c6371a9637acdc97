SELECT q.name, s.paused_reason,
       (SELECT min(at) FROM tidings_jobs AS j WHERE j.queue = q.name AND j.state = 'ready'),
       (SELECT min(due) FROM tidings_jobs AS j WHERE j.queue = q.name AND j.state = 'scheduled')
FROM (SELECT name FROM tidings_queues UNION SELECT queue FROM tidings_job_names UNION SELECT queue FROM tidings_jobs) AS q
LEFT JOIN tidings_queues AS s ON s.name = q.name
ORDER BY q.name
