-- What is parked, dead or discarded was not handled, though a range may lie around it; nor was a message that the
-- consumer did not read at the time. Of a message that is gone neither name nor partition is known; no young receipt is
-- asked of one, since retention keeps what lies within those. The message's own receipt comes first, which it has if it was
-- parked out of its batch and handled later.
SELECT r.first, r.last, least(r.count, 4294967295) AS count, r.at
FROM tidings_receipts r
JOIN tidings_cursors v ON v.consumer = r.consumer AND v.partition = r.partition
LEFT JOIN tidings_log l ON l.position = $2
WHERE r.consumer = $1 AND r.first <= $2 AND r.last >= $2
  AND CASE WHEN r.from_cursor IS NULL THEN $2 <> ALL (coalesce(r.holes, '{}'))
           ELSE l.position IS NOT NULL AND tidings_passed(r.to_cursor, l.xid, l.position)
                AND NOT tidings_passed(r.from_cursor, l.xid, l.position)
      END
  AND (l.position IS NULL
       OR (l.kind = v.message_kind AND l.slot % v.partitions = r.partition
           AND EXISTS (SELECT 1 FROM tidings_reads w
                       WHERE w.consumer = $1 AND w.partition = r.partition AND w.name = l.name
                         AND NOT tidings_passed(w.from_cursor, l.xid, l.position)
                         AND (w.to_cursor IS NULL OR tidings_passed(w.to_cursor, l.xid, l.position)))))
  AND NOT EXISTS (SELECT 1 FROM tidings_parked p WHERE p.consumer = $1 AND p.position = $2)
ORDER BY r.attempts IS NULL, r.first DESC LIMIT 1
