UPDATE tidings_queues SET paused_at = NULL, paused_reason = NULL WHERE name = ?1
