-- The message's own receipt, or that of a batch between whose cursors it lies, if it matches and was not parked from it.
SELECT r.first, r.last, r.count, r.at
FROM tidings_receipts r
JOIN tidings_consumers c ON c.name = r.consumer
JOIN tidings_log l ON l.position = $2
WHERE r.consumer = $1 AND r.first <= $2 AND r.last >= $2
  AND l.slot % c.partitions = r.partition
  AND l.kind = c.message_kind AND l.name = ANY (c.reads)
  AND (r.to_cursor IS NULL
       OR (tidings_passed(r.to_cursor, l.xid, l.position) AND NOT tidings_passed(r.from_cursor, l.xid, l.position)))
  AND NOT EXISTS (SELECT 1 FROM tidings_parked p WHERE p.consumer = $1 AND p.position = $2)
ORDER BY r.to_cursor NULLS FIRST LIMIT 1
