INSERT INTO tidings_rounds (queue, priority, share) VALUES (?1, ?2, ?3)
ON CONFLICT (queue, priority) DO UPDATE SET share = excluded.share
