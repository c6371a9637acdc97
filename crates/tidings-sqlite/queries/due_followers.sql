-- What waits behind a head, up to the next row of the key that is more than waiting.
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data,
       p.attempts, p.key
FROM tidings_parked AS p
JOIN tidings_log AS l ON l.position = p.position
WHERE p.consumer = ?1 AND p.key = ?2 AND p.position > ?3
  AND p.position < coalesce((SELECT min(q.position) FROM tidings_parked AS q
                             WHERE q.consumer = ?1 AND q.key = ?2 AND q.position > ?3 AND q.state <> 'behind'),
                            9223372036854775807)
ORDER BY p.position
LIMIT ?4
