-- The place of the n-th oldest message that no consumer has parked, looked for no further than what may go at all.
SELECT l.position FROM tidings_log AS l
WHERE l.position <= ?2
  AND NOT EXISTS (SELECT 1 FROM tidings_parked AS p WHERE p.position = l.position AND p.state <> 'discarded')
ORDER BY l.position LIMIT 1 OFFSET ?1
