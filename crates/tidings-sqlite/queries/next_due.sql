SELECT min(due) FROM tidings_parked WHERE consumer = ?1 AND state = 'retrying'
