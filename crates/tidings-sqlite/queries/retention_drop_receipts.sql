DELETE FROM tidings_receipts WHERE (consumer, first, last) IN (
    SELECT consumer, first, last FROM tidings_receipts WHERE consumer = ?1 AND life = ?3 ORDER BY first, last LIMIT ?2)
