-- What is parked, dead or discarded was not handled, though a range may lie around it; nor was a message that the
-- consumer does not read.
SELECT r.first, r.last, r.count, r.at
FROM tidings_receipts AS r
WHERE r.consumer = ?1 AND r.first <= ?2 AND r.last >= ?2
  AND NOT EXISTS (SELECT 1 FROM tidings_parked AS p WHERE p.consumer = ?1 AND p.position = ?2)
  AND NOT EXISTS (SELECT 1 FROM tidings_log AS l
                  JOIN tidings_consumers AS c ON c.name = ?1
                  WHERE l.position = ?2 AND l.name NOT IN (SELECT value FROM json_each(c.reads)))
ORDER BY r.first DESC
LIMIT 1
