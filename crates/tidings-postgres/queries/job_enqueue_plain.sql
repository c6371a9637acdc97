-- Jobs that have no key of any kind, and so depend on nothing that is there: one statement for thousands. A
-- function, as for the others, would cost a single job as much again.
WITH new AS MATERIALIZED (
    SELECT nextval('tidings_job_places') AS place, n.*
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::smallint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[],
                $9::uuid[], $10::uuid[], $11::text[], $12::text[], $13::text[], $14::text[])
         AS n (id, name, queue, priority, due, at, share, source, correlation_id, causation_id, traceparent, tracestate,
               baggage, data)),
jobs AS (
    INSERT INTO tidings_jobs (place, id, name, priority, due, at, share, source, correlation_id, causation_id, traceparent,
                              tracestate, baggage, data)
    SELECT place, id, name, priority, due, at, share, source, correlation_id, causation_id, traceparent, tracestate, baggage,
           data
    FROM new)
INSERT INTO tidings_jobs_live (place, queue, name, priority, turn, waits_until, share)
SELECT place, queue, name, priority, CASE WHEN due <= at THEN priority END, CASE WHEN due > at THEN due END, share
FROM new
