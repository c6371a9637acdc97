INSERT INTO tidings_job_names (name, queue) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET queue = excluded.queue
