-- Receipts of two lives are never merged: what lies between was given up, not handled.
SELECT life FROM tidings_receipts WHERE consumer = ?1 GROUP BY life HAVING count(*) > 1 ORDER BY life LIMIT 1
