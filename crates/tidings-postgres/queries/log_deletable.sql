-- Of the oldest messages that nobody has parked, those that every consumer has passed.
SELECT count(*) AS deletable
FROM (SELECT l.position, l.xid, l.slot FROM tidings_log l
      WHERE NOT EXISTS (SELECT 1 FROM tidings_parked p WHERE p.position = l.position AND p.state <> 'discarded')
      ORDER BY l.position LIMIT $1) l
WHERE NOT EXISTS (SELECT 1 FROM tidings_cursors c
                  WHERE c.retired_at IS NULL AND c.partition = l.slot % c.partitions
                    AND NOT tidings_passed(c.cursor, l.xid, l.position))
