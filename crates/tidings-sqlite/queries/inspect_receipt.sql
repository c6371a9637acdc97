-- What is parked, dead or discarded was not handled, though a range may lie around it; nor was a message that the
-- consumer did not read at the time. Of a message that is gone the name is not known; then the consumer must have read
-- something there at all, which between two lives it did not. Its own receipt comes first, which it has if it was parked out
-- of its batch and handled later.
SELECT r.first, r.last, r.count, r.at
FROM (SELECT first, last, count, at FROM tidings_receipts WHERE consumer = ?1 AND first = ?2 AND last = ?2
      UNION ALL
      SELECT first, last, count, at
      FROM (SELECT first, last, count, at FROM tidings_receipts
            WHERE consumer = ?1 AND first <= ?2 AND last >= ?2
            ORDER BY first DESC
            LIMIT 1)) AS r
WHERE NOT EXISTS (SELECT 1 FROM tidings_parked AS p WHERE p.consumer = ?1 AND p.position = ?2)
  AND EXISTS (SELECT 1 FROM tidings_reads AS w
              WHERE w.consumer = ?1 AND w.first <= ?2 AND coalesce(w.last, ?2) >= ?2
                AND w.name = coalesce((SELECT l.name FROM tidings_log AS l WHERE l.position = ?2), w.name))
LIMIT 1
