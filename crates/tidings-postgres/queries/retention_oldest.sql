SELECT position, time FROM tidings_log ORDER BY position LIMIT 1
