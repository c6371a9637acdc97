-- The head of a key is what was parked first (not the lowest position, as on a store with one writer). If that one only
-- waited, it may run now; a head that is retrying or dead stays what it is.
UPDATE tidings_parked SET state = 'retrying', attempts = 0, due = $3
WHERE consumer = $1 AND key = $2 AND state = 'behind'
  AND ord = (SELECT min(ord) FROM tidings_parked WHERE consumer = $1 AND key = $2)
