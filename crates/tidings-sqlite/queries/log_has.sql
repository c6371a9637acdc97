-- A message, or a job.
SELECT 1 FROM tidings_log WHERE id = ?1 UNION ALL SELECT 1 FROM tidings_jobs WHERE id = ?1
