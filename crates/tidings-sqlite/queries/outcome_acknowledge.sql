UPDATE tidings_outcomes SET unhandled = 0 WHERE id = ?1 AND unhandled = 1
