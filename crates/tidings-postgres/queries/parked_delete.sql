DELETE FROM tidings_parked WHERE consumer = $1 AND position = $2
