-- Between two receipts of one life of a consumer there is nothing that it handled, so one range around both says the
-- same.
SELECT min(first), max(last), min(sum(count), 4294967295), max(at), count(*)
FROM (SELECT first, last, count, at FROM tidings_receipts WHERE consumer = ?1 AND life = ?3 ORDER BY first, last LIMIT ?2)
