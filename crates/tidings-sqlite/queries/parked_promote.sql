-- The head of a key is its lowest position. If that one only waited, it may run now; a head that is retrying or dead
-- stays what it is.
UPDATE tidings_parked SET state = 'retrying', attempts = 0, due = ?3
WHERE consumer = ?1 AND key = ?2 AND state = 'behind'
  AND position = (SELECT min(position) FROM tidings_parked WHERE consumer = ?1 AND key = ?2)
