SELECT share FROM tidings_rounds WHERE queue = ?1 AND priority = ?2
