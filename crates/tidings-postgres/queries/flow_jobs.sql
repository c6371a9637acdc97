-- A job is in one of the two tables of states, or, between its end and its deletion, in none but the first.
SELECT j.place, j.id, j.name, coalesce(l.queue, n.queue, '') AS queue, j.source, j.key, j.causation_id, j.traceparent,
       CASE WHEN c.worker IS NOT NULL THEN 'running' ELSE coalesce(l.state, e.state) END AS state,
       j.at, coalesce(l.due, j.due) AS due, coalesce(l.attempts, e.attempts) + (c.worker IS NOT NULL)::int AS attempts,
       coalesce(c.started_at, l.started_at, e.started_at) AS started_at, coalesce(e.ended_at, l.died_at) AS ended_at,
       l.death, coalesce(l.error, e.error) AS error, coalesce(l.reason, e.reason) AS reason
FROM tidings_jobs j
LEFT JOIN tidings_jobs_live l ON l.place = j.place
LEFT JOIN tidings_jobs_ended e ON e.place = j.place
LEFT JOIN tidings_job_names n ON n.name = j.name
LEFT JOIN LATERAL (
    SELECT c.worker, c.started_at FROM tidings_claims c, unnest(c.places, c.attempts) AS a (place, attempt)
    WHERE a.place = l.place AND a.attempt = l.attempts + 1 LIMIT 1
) c ON true
WHERE j.correlation_id = $1
ORDER BY j.place
