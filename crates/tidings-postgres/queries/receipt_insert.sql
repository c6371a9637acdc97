INSERT INTO tidings_receipts (consumer, partition, first, last, count, at, life, from_cursor, to_cursor, attempts)
SELECT $1, $2, $3, $4, $5, $6, c.life, $7, $8, $9 FROM tidings_consumers c WHERE c.name = $1
