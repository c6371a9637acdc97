SELECT name, due FROM tidings_crons ORDER BY due, name
