-- Looks at the $2 oldest messages behind $1, and deletes of them those older than $3, and of the others the oldest $4. The
-- cursors are looked up in this very transaction: a consumer may have been registered since the round began. Where the first
-- message comes that a consumer has not passed, the look ends: those behind it are needed, too, but for a few that committed
-- early, which wait for the next round. So a round costs what it deletes, and not what is kept. What is parked, and what lies
-- within a young receipt, stays, and those around it go. Only what was counted is deleted, so that the count stays right.
WITH looked AS MATERIALIZED (
    SELECT l.position, l.xid, l.slot, l.time FROM tidings_log l WHERE l.position > $1 ORDER BY l.position LIMIT $2
), young AS MATERIALIZED (
    -- Once for all of them: for each, the planner would read all receipts.
    SELECT y.first, y.last FROM tidings_receipts y
    WHERE y.from_cursor IS NOT NULL AND y.first <= (SELECT max(position) FROM looked)
      AND y.last >= (SELECT min(position) FROM looked)
), judged AS MATERIALIZED (
    SELECT l.position, l.time >= $3 AS young,
           EXISTS (SELECT 1 FROM tidings_cursors c
                   WHERE c.retired_at IS NULL AND c.partition = l.slot % c.partitions
                     AND NOT tidings_passed(c.cursor, l.xid, l.position))
           OR NOT pg_visible_in_snapshot(l.xid, r.counted::pg_snapshot) AS needed,
           EXISTS (SELECT 1 FROM tidings_parked p WHERE p.position = l.position AND p.state <> 'discarded')
           OR EXISTS (SELECT 1 FROM young y WHERE y.first <= l.position AND y.last >= l.position) AS kept
    FROM looked l, tidings_runtime r
), ends AS (
    SELECT coalesce(min(position) FILTER (WHERE needed), 9223372036854775807) AS needed,
           coalesce(min(position) FILTER (WHERE young), 9223372036854775807) AS young
    FROM judged
), free AS (
    SELECT j.position, j.position < e.young AS old, row_number() OVER (ORDER BY j.position) AS nth
    FROM judged j, ends e WHERE NOT j.kept AND j.position < e.needed
), gone AS (
    DELETE FROM tidings_log WHERE position IN (SELECT position FROM free WHERE old OR nth <= $4) RETURNING position
)
SELECT count(*) AS looked, max(position) AS last, (SELECT count(*) FROM gone) AS deleted,
       coalesce(bool_or(needed), false) AS needed, coalesce(bool_or(young), false) AS young
FROM judged
