-- One row for each queue and state. The first ready job of each priority is the oldest of it.
WITH turns AS (
    SELECT queue, state, turn, count(*) AS jobs, min(place) AS first, min(waits_until) AS next_due
    FROM tidings_job_states GROUP BY queue, state, turn),
counted AS (
    SELECT t.queue, t.state, sum(t.jobs)::bigint AS jobs, min(j.at) AS oldest_ready, min(t.next_due) AS next_due
    FROM turns AS t LEFT JOIN tidings_jobs AS j ON t.state = 'ready' AND j.place = t.first
    GROUP BY t.queue, t.state
    UNION ALL
    SELECT e.queue, e.state, count(*), NULL, NULL FROM tidings_jobs_ended AS e GROUP BY e.queue, e.state)
SELECT n.queue, c.state, c.jobs, c.oldest_ready, c.next_due, q.paused_reason
FROM (SELECT name AS queue FROM tidings_queues UNION SELECT queue FROM tidings_job_names UNION SELECT queue FROM counted) AS n
LEFT JOIN counted AS c ON c.queue = n.queue
LEFT JOIN tidings_queues AS q ON q.name = n.queue
