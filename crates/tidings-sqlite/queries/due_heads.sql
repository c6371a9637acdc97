-- Heads whose time has come. A row is a head if it holds no key, or no earlier row holds the same one: behind a dead head
-- nothing is due.
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data,
       p.attempts, p.key
FROM tidings_parked AS p
JOIN tidings_log AS l ON l.position = p.position
WHERE p.consumer = ?1 AND p.state = 'retrying' AND p.due <= ?2
  AND (p.key IS NULL OR NOT EXISTS (SELECT 1 FROM tidings_parked AS q
                                    WHERE q.consumer = ?1 AND q.key = p.key AND q.position < p.position))
ORDER BY p.due, p.position
LIMIT ?3
