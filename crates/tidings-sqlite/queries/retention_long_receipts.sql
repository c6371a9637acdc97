SELECT consumer, count(*) FROM tidings_receipts GROUP BY consumer HAVING count(*) > ?1
