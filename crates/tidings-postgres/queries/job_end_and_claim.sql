-- One statement and one round trip, so that a process that stands still holds no queue's lock.
SELECT *
FROM tidings_end_and_claim($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
