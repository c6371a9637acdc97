SELECT key, due, at, state FROM tidings_parked
WHERE consumer = $1 AND position = $2 AND state <> 'discarded' FOR UPDATE
