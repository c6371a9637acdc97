-- How many messages were ever appended, and removed. Only those are counted that the last snapshot did not see: $2, with $3
-- as its count, if it goes back to the stored one; else the stored one.
WITH stored AS (
    SELECT counted AS base, removed,
           CASE WHEN counted = $1::text THEN $2::text ELSE counted END AS seen,
           CASE WHEN counted = $1::text THEN $3::bigint ELSE appended END AS appended
    FROM tidings_runtime
)
SELECT s.base, s.removed, pg_current_snapshot()::text AS snapshot,
       s.appended + (SELECT count(*) FROM tidings_log l
                     WHERE l.xid >= pg_snapshot_xmin(s.seen::pg_snapshot)
                       AND NOT pg_visible_in_snapshot(l.xid, s.seen::pg_snapshot)
                       AND pg_visible_in_snapshot(l.xid, pg_current_snapshot())) AS appended,
       (SELECT coalesce(max(position), 0) FROM tidings_log) AS newest
FROM stored s
