-- The next job of those without a share.
SELECT place FROM tidings_jobs
WHERE queue = ?1 AND turn = ?2 AND place > ?4
  AND place NOT IN (SELECT place FROM tidings_claims) AND name IN (SELECT value FROM json_each(?3))
ORDER BY place
LIMIT 1
