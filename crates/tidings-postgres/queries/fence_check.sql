-- Locks the row, so that a new holder waits for this transaction, and this one for a new holder's.
SELECT 1 FROM tidings_partitions WHERE consumer = $1 AND partition = $2 AND fence = $3 FOR UPDATE
