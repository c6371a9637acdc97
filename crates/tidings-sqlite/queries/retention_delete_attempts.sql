DELETE FROM tidings_attempts WHERE job = ?1
