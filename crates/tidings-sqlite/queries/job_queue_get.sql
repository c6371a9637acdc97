SELECT paused_at IS NOT NULL, next_free FROM tidings_queues WHERE name = ?1
