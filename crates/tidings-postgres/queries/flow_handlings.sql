-- Who has read, or will read, each message of the flow, and if its cursor is past it, the receipt: first the message's
-- own, which it has if it was parked out of its batch and handled later; else the nearest that covers it.
SELECT l.position, w.consumer, bool_or(tidings_passed(v.cursor, l.xid, l.position)) AS passed,
       min(r.at) AS at, min(r.attempts) AS attempts
FROM tidings_log l
JOIN tidings_reads w ON w.name = l.name
                        AND NOT tidings_passed(w.from_cursor, l.xid, l.position)
                        AND (w.to_cursor IS NULL OR tidings_passed(w.to_cursor, l.xid, l.position))
JOIN tidings_cursors v ON v.consumer = w.consumer AND v.partition = w.partition
                          AND v.message_kind = l.kind AND v.partition = l.slot % v.partitions
LEFT JOIN LATERAL (
    SELECT r.at, r.attempts FROM tidings_receipts r
    WHERE r.consumer = w.consumer AND r.partition = w.partition AND r.first <= l.position AND r.last >= l.position
      AND CASE WHEN r.from_cursor IS NULL THEN l.position <> ALL (coalesce(r.holes, '{}'))
               ELSE tidings_passed(r.to_cursor, l.xid, l.position) AND NOT tidings_passed(r.from_cursor, l.xid, l.position)
          END
    ORDER BY r.attempts IS NULL, r.first DESC LIMIT 1
) r ON tidings_passed(v.cursor, l.xid, l.position)
WHERE l.correlation_id = $1
GROUP BY l.position, w.consumer
