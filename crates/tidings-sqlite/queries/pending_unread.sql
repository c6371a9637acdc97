-- The first message that a consumer has not read, and how many parked ones hold its key.
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data,
       (SELECT count(*) FROM tidings_parked AS p WHERE p.consumer = ?1 AND p.key = l.key)
FROM tidings_log AS l
WHERE l.position > (SELECT cursor FROM tidings_consumers WHERE name = ?1) AND l.kind = ?2
      AND l.name IN (SELECT value FROM tidings_consumers AS c, json_each(c.reads) WHERE c.name = ?1)
ORDER BY l.position
LIMIT 1
