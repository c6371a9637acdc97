SELECT min(due) AS due FROM tidings_parked WHERE consumer = $1 AND state = 'retrying'
