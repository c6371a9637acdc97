UPDATE tidings_parked SET state = 'discarded', key = NULL, due = NULL, at = $3, reason = $4
WHERE consumer = $1 AND position = $2
