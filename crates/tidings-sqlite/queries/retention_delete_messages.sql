-- The lowest cursor is looked up again in this very transaction: a consumer may have been registered since the round
-- began. A parked or dead message stays, while older and younger ones around it go; a round does not look at what stays
-- again for each chunk, but begins behind the last one.
DELETE FROM tidings_log WHERE position IN (
    SELECT l.position FROM tidings_log AS l
    WHERE l.position > ?3 AND l.position <= ?1
      AND l.position <= coalesce((SELECT min(cursor) FROM tidings_consumers WHERE retired_at IS NULL), ?1)
      AND NOT EXISTS (SELECT 1 FROM tidings_parked AS p WHERE p.position = l.position AND p.state <> 'discarded')
    ORDER BY l.position LIMIT ?2)
RETURNING position
