-- One statement for all that are claimed. What it returns is in no order.
UPDATE tidings_jobs SET state = 'running', turn = 100001, worker = ?4, attempts = attempts + 1, started_at = ?5
WHERE place IN (SELECT place FROM tidings_jobs
                WHERE queue = ?1 AND turn < 100000 AND name IN (SELECT value FROM json_each(?2))
                ORDER BY turn, place
                LIMIT ?3)
RETURNING priority, place, id, name, key, attempts, unique_key IS NOT NULL, failures, losses, at, correlation_id,
          causation_id, traceparent, tracestate, baggage, progress, data
