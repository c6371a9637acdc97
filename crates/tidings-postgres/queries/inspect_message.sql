SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data
FROM tidings_log l
WHERE l.id = $1
