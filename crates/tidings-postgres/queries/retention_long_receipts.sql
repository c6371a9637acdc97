SELECT consumer, count(*) AS count FROM tidings_receipts GROUP BY consumer HAVING count(*) > $1 ORDER BY consumer
