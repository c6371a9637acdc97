-- The heads that are due, and what waits behind each: looked for by key, since all that is parked may be much.
WITH heads AS MATERIALIZED (
    SELECT ord, key, due, position, attempts FROM tidings_parked
    WHERE consumer = $1 AND partition = $2 AND state = 'retrying' AND due <= $3
    ORDER BY due, ord LIMIT $4
), due AS MATERIALIZED (
    SELECT due, ord AS head, ord, position, attempts FROM heads
    UNION ALL
    SELECT h.due, h.ord, p.ord, p.position, p.attempts
    FROM heads h
    CROSS JOIN LATERAL (SELECT p.ord, p.position, p.attempts FROM tidings_parked p
                        WHERE p.consumer = $1 AND p.key = h.key AND p.state = 'behind'
                        ORDER BY p.ord LIMIT $4) p
)
SELECT l.position, l.id, l.kind, l.name, l.version, l.source, l.key, l.time, l.correlation_id, l.causation_id,
       l.traceparent, l.tracestate, l.baggage, l.reply_to, l.data, d.attempts
FROM due d JOIN tidings_log l ON l.position = d.position
ORDER BY d.due, d.head, d.ord LIMIT $4
