SELECT key, due, at, state FROM tidings_parked
WHERE consumer = $1 AND partition = $2 AND position = $3 AND state <> 'discarded' FOR UPDATE
