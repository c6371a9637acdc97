SELECT 1 FROM tidings_log WHERE id = ?1
