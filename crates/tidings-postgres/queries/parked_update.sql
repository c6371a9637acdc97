UPDATE tidings_parked SET state = $3, key = $4, attempts = $5, due = $6, error = $7
WHERE consumer = $1 AND position = $2
