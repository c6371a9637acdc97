-- Jobs by their places, in that order.
SELECT j.place, j.id, j.name, j.key, j.attempts, j.unique_key IS NOT NULL, j.failures, j.losses, j.at, j.correlation_id,
       j.causation_id, j.traceparent, j.tracestate, j.baggage, j.progress, j.data
FROM json_each(?1) AS p CROSS JOIN tidings_jobs AS j ON j.place = p.value
ORDER BY p.key
