-- The next job of a share.
SELECT place FROM tidings_jobs
WHERE queue = ?1 AND turn = ?2 + 300000 AND share IS NOT NULL AND share = ?4 AND place > ?5
  AND place NOT IN (SELECT place FROM tidings_claims) AND name IN (SELECT value FROM json_each(?3))
ORDER BY place
LIMIT 1
