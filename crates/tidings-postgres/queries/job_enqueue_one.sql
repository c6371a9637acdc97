-- As for many; a single row that needs no arrays costs half as much.
WITH job AS (
    INSERT INTO tidings_jobs (place, id, name, priority, due, at, share, source, correlation_id, causation_id, traceparent,
                              tracestate, baggage, data)
    VALUES (nextval('tidings_job_places'), $1, $2, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    RETURNING place, name, priority, due, at, share)
INSERT INTO tidings_jobs_live (place, queue, name, priority, turn, waits_until, share)
SELECT place, $3, name, priority, CASE WHEN due <= at THEN priority END, CASE WHEN due > at THEN due END, share
FROM job
