SELECT * FROM tidings_log WHERE correlation_id = $1 ORDER BY position
