-- Locks the row, so that a new holder waits for this transaction, and this one for a new holder's. Where the server has
-- begun another life the lease is void, too: what was read before may rest on transaction ids that were given away again.
SELECT 1 FROM tidings_partitions
WHERE consumer = $1 AND partition = $2 AND fence = $3 AND EXISTS (SELECT 1 FROM tidings_life_goes_on)
FOR UPDATE OF tidings_partitions
