INSERT INTO tidings_queues (name, paused_at, paused_reason) VALUES (?1, ?2, ?3)
ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at, paused_reason = excluded.paused_reason
