UPDATE tidings_jobs SET reason = ?2 WHERE place = ?1
