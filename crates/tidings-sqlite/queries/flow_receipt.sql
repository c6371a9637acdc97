-- First the message's own, which it has if it was parked out of its batch and handled later; else the nearest range around it.
-- (One search ordered by both ends would go on to the oldest receipt, looking for more ranges that begin where the nearest
-- one does.)
SELECT at, attempts
FROM tidings_receipts
WHERE consumer = ?1 AND first = ?2 AND last = ?2
UNION ALL
SELECT at, attempts
FROM (SELECT at, attempts FROM tidings_receipts
      WHERE consumer = ?1 AND first <= ?2 AND last >= ?2
      ORDER BY first DESC
      LIMIT 1)
LIMIT 1
