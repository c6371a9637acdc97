-- What is parked, dead or discarded was not handled, though a range may lie around it; nor was a message that the
-- consumer did not read at the time. Of a message that is gone the name is not known; then the consumer must have read
-- something there at all, which between two lives it did not.
SELECT r.first, r.last, r.count, r.at
FROM tidings_receipts AS r
WHERE r.consumer = ?1 AND r.first <= ?2 AND r.last >= ?2
  AND NOT EXISTS (SELECT 1 FROM tidings_parked AS p WHERE p.consumer = ?1 AND p.position = ?2)
  AND EXISTS (SELECT 1 FROM tidings_reads AS w
              WHERE w.consumer = ?1 AND w.first <= ?2 AND coalesce(w.last, ?2) >= ?2
                AND w.name = coalesce((SELECT l.name FROM tidings_log AS l WHERE l.position = ?2), w.name))
ORDER BY r.first DESC, r.last
LIMIT 1
