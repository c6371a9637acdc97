SELECT DISTINCT queue
FROM tidings_jobs
WHERE turn = 100000 AND queue IN (SELECT value FROM json_each(?1)) AND name IN (SELECT value FROM json_each(?2))
  AND place NOT IN (SELECT place FROM tidings_claims)
  AND NOT EXISTS (SELECT 1 FROM tidings_queues AS q WHERE q.name = queue AND q.paused_at IS NOT NULL)
