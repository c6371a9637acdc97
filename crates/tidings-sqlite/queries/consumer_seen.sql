UPDATE tidings_consumers SET kind = ?2, reads = ?3, last_seen = ?4 WHERE name = ?1
