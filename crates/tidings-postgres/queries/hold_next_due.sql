SELECT min(due) AS due FROM tidings_parked WHERE consumer = $1 AND partition = $2 AND state = 'retrying'
