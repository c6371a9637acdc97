DELETE FROM tidings_attempts WHERE job = ?1 AND attempt <= ?2
