SELECT 1 FROM tidings_consumers WHERE name = ?1 AND fence = ?2
