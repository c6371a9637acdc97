-- How jobs are told to people.

-- Those that have not ended, with their states. What the marks of keys decide is told as if it had been decided.
CREATE VIEW tidings_job_states AS
SELECT l.place, l.queue, s.turn, s.waits_until, r.worker, r.started_at,
       CASE WHEN r.place IS NOT NULL THEN 'running'
            WHEN s.turn < 100000 THEN 'ready'
            WHEN s.turn = 100000 THEN 'suspect'
            WHEN s.turn = 100002 THEN 'dead'
            WHEN s.waits_until IS NOT NULL THEN 'scheduled'
            ELSE 'behind' END AS state
FROM tidings_jobs_live AS l
LEFT JOIN tidings_key_turns AS t ON t.place = l.place
LEFT JOIN (SELECT DISTINCT ON (u.place, u.attempts) u.place, u.attempts, c.worker, c.started_at
           FROM tidings_claims AS c CROSS JOIN LATERAL unnest(c.places, c.attempts) AS u (place, attempts)
           ORDER BY u.place, u.attempts, c.n) AS r ON r.place = l.place AND r.attempts = l.attempts
CROSS JOIN LATERAL (SELECT CASE WHEN t.place IS NULL THEN l.turn ELSE t.turn END AS turn,
                           CASE WHEN t.place IS NULL THEN l.waits_until ELSE t.waits_until END AS waits_until) AS s;

CREATE VIEW tidings_job_rows AS
SELECT j.place, j.id, j.name, l.queue, s.state, j.priority, j.key, j.share,
       CASE WHEN s.state = 'running' THEN l.attempts + 1 ELSE l.attempts END AS attempts, l.failures, l.losses, j.at,
       coalesce(l.due, j.due) AS due, coalesce(s.started_at, l.started_at) AS started_at, l.died_at AS ended_at, s.worker,
       l.death, l.error, l.reason, l.progress, j.source, j.correlation_id, j.causation_id, j.traceparent, j.data
FROM tidings_jobs AS j JOIN tidings_jobs_live AS l ON l.place = j.place JOIN tidings_job_states AS s ON s.place = j.place
UNION ALL
SELECT j.place, j.id, j.name, e.queue, e.state, j.priority, j.key, j.share, e.attempts, e.failures, e.losses, j.at,
       coalesce(e.due, j.due), e.started_at, e.ended_at, NULL, e.death, e.error, e.reason, e.progress, j.source,
       j.correlation_id, j.causation_id, j.traceparent, j.data
FROM tidings_jobs AS j JOIN tidings_jobs_ended AS e ON e.place = j.place;
