-- The narrowest range: what was parked and handled later has one of its own within that of its batch, and it may begin there.
SELECT at, attempts
FROM tidings_receipts
WHERE consumer = ?1 AND first <= ?2 AND last >= ?2
ORDER BY first DESC, last
LIMIT 1
