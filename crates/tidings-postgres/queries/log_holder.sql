-- Who has not passed the oldest message that nobody has parked, the slowest of them; and who has the most parked.
WITH oldest AS (
    SELECT l.position, l.xid, l.slot FROM tidings_log l
    WHERE NOT EXISTS (SELECT 1 FROM tidings_parked p WHERE p.position = l.position AND p.state <> 'discarded')
    ORDER BY l.position LIMIT 1
), slowest AS (
    SELECT c.consumer, o.position FROM oldest o
    JOIN tidings_cursors c ON c.retired_at IS NULL AND c.partition = o.slot % c.partitions
                              AND NOT tidings_passed(c.cursor, o.xid, o.position)
    ORDER BY pg_snapshot_xmax(split_part(c.cursor, '~', 1)::pg_snapshot),
             pg_snapshot_xmax(split_part(c.cursor, '~', 2)::pg_snapshot),
             split_part(c.cursor, '~', 3)::bigint, c.consumer
    LIMIT 1
), parked AS (
    SELECT consumer, count(*) AS count FROM tidings_parked WHERE state <> 'discarded'
    GROUP BY consumer ORDER BY count(*) DESC, consumer LIMIT 1
)
SELECT (SELECT consumer FROM slowest) AS slowest, (SELECT position FROM slowest) AS oldest,
       (SELECT coalesce(max(position), 0) FROM tidings_log) AS newest,
       (SELECT consumer FROM parked) AS parker, (SELECT count FROM parked) AS parked
