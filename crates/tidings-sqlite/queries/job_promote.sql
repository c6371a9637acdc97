-- The head of a key is the oldest job of it that holds it. If that one only waited, the key is free, and the oldest of all that
-- wait for it may run now. That may be one that was lost before it had to wait, and which has to run alone.
UPDATE tidings_jobs
SET state = CASE WHEN losses > 0 THEN 'suspect' WHEN due > ?3 THEN 'scheduled' ELSE 'ready' END,
    turn = CASE WHEN losses > 0 THEN 100000 WHEN due > ?3 THEN NULL ELSE priority + iif(share IS NULL, 0, 300000) END,
    waits_until = CASE WHEN losses = 0 AND due > ?3 THEN due END,
    holds = 1
WHERE state = 'behind'
  AND place = (SELECT min(place) FROM (SELECT min(place) AS place FROM tidings_jobs
                                       WHERE queue = ?1 AND key = ?2 AND holds = 1
                                       UNION ALL
                                       SELECT min(place) FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 2))
  AND NOT EXISTS (SELECT 1 FROM tidings_jobs AS head
                  WHERE head.place = (SELECT min(place) FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 1)
                    AND head.state <> 'behind')
