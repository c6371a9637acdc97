UPDATE tidings_parked SET state = 'retrying', attempts = 0, due = $3 WHERE consumer = $1 AND position = $2
