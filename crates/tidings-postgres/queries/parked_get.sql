SELECT key, due, at FROM tidings_parked WHERE consumer = $1 AND position = $2 AND state <> 'discarded' FOR UPDATE
