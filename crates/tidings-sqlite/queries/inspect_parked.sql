SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data,
       p.consumer, p.state, p.key, p.attempts, p.due, p.error
FROM tidings_parked AS p
JOIN tidings_log AS l ON l.position = p.position
WHERE (?1 IS NULL OR p.consumer = ?1) AND CASE WHEN ?2 IS NULL THEN p.state <> 'discarded' ELSE p.state = ?2 END
ORDER BY p.position, p.consumer
LIMIT ?3
