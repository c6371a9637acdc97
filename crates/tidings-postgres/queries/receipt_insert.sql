INSERT INTO tidings_receipts (consumer, partition, first, last, count, at, from_cursor, to_cursor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
