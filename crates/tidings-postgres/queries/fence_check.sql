-- Locks the row, so that a new holder waits for this transaction, and this one for a new holder's.
SELECT cursor FROM tidings_consumers WHERE name = $1 AND fence = $2 FOR UPDATE
