INSERT INTO tidings_receipts (consumer, first, last, count, at, life, from_cursor, to_cursor, attempts)
SELECT $1, $2, $3, $4, $5, c.life, $6, $7, $8 FROM tidings_consumers c WHERE c.name = $1
