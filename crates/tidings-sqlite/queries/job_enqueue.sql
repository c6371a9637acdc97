-- A job with a key waits behind one of its queue and key that has not ended. A unique key that is taken leaves no row
-- changed.
INSERT INTO tidings_jobs (id, name, queue, priority, due, at, key, unique_key, unique_hash, unique_until, source,
                          correlation_id, causation_id, traceparent, tracestate, baggage, data, holds, state)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?7 IS NOT NULL,
        CASE WHEN ?7 IS NOT NULL AND EXISTS (SELECT 1 FROM tidings_jobs AS j
                                             WHERE j.queue = ?3 AND j.key = ?7 AND j.holds = 1) THEN 'behind'
             WHEN ?5 > ?6 THEN 'scheduled'
             ELSE 'ready' END)
ON CONFLICT (name, unique_key) WHERE unique_key IS NOT NULL DO NOTHING
