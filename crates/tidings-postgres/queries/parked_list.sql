-- Columns by name, here and wherever rows of the log are read: `*` would fail in a process that has prepared it when a newer
-- one adds a column.
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data,
       p.consumer, p.state, p.key AS held_key, p.attempts, p.due, p.error FROM tidings_parked p
JOIN tidings_log l ON l.position = p.position
WHERE ($1::text IS NULL OR p.consumer = $1)
  AND CASE WHEN $2::text IS NULL THEN p.state <> 'discarded' ELSE p.state = $2 END
ORDER BY p.ord LIMIT $3
