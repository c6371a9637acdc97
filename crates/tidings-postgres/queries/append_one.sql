-- As for many; a single row that needs no arrays costs half as much.
INSERT INTO tidings_log (id, kind, name, version, source, key, time, correlation_id, causation_id,
                         traceparent, tracestate, baggage, reply_to, data, slot)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
RETURNING position AS newest
