-- The place of the n-th oldest message that no consumer has parked.
SELECT l.position FROM tidings_log AS l
WHERE NOT EXISTS (SELECT 1 FROM tidings_parked AS p WHERE p.position = l.position AND p.state <> 'discarded')
ORDER BY l.position LIMIT 1 OFFSET ?1
