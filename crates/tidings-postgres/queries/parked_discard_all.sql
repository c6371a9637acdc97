UPDATE tidings_parked SET state = 'discarded', key = NULL, due = NULL, at = $2, reason = $3
WHERE consumer = $1 AND state <> 'discarded'
