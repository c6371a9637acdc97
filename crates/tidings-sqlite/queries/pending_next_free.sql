SELECT next_free FROM tidings_queues WHERE name = ?1
