SELECT * FROM tidings_log WHERE id = $1
