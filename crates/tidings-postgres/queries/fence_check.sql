-- Locks the row, so that a new holder waits for this transaction, and this one for a new holder's. Where the server has
-- begun another life the lease is void, too: what was read before may rest on transaction ids that were given away again.
SELECT cursor FROM tidings_consumers
WHERE name = $1 AND fence = $2 AND EXISTS (SELECT 1 FROM tidings_life_goes_on)
FOR UPDATE OF tidings_consumers
