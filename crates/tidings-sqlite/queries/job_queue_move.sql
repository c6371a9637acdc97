INSERT INTO tidings_queues (name, next_free) VALUES (?1, ?2)
ON CONFLICT (name) DO UPDATE SET next_free = excluded.next_free
