-- The head of a key is the oldest job of it that holds it. If that one only waited, it may run now.
UPDATE tidings_jobs
SET state = CASE WHEN due > ?3 THEN 'scheduled' ELSE 'ready' END,
    turn = CASE WHEN due > ?3 THEN NULL ELSE priority END,
    waits_until = CASE WHEN due > ?3 THEN due END
WHERE state = 'behind' AND place = (SELECT min(place) FROM tidings_jobs WHERE queue = ?1 AND key = ?2 AND holds = 1)
