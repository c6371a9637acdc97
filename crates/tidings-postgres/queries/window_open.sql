-- The window behind a closed one: from what the snapshot $1 sees to what this statement sees. `first` is the lowest
-- position that a transaction wrote which $1 had not heard of, so that a read need not begin at the log's; `earlier` says
-- whether one that was open then ($1's xip) has left something. ORDER BY with OFFSET keeps the planner on the index: as a plain
-- min(position) it would walk the primary key from the log's beginning. For the two bounds instead of `=` see read_after.sql.
SELECT pg_current_snapshot()::text AS hi,
       (SELECT count(*) FROM tidings_life) AS lives, -- fails on a standby, whose snapshots are of no use: see snapshot.sql
       (SELECT min(fresh.position) FROM (
            SELECT l.position FROM tidings_log l
            WHERE l.xid >= pg_snapshot_xmax($1::pg_snapshot)
            ORDER BY l.xid, l.position OFFSET 0) fresh) AS first,
       EXISTS (SELECT 1 FROM pg_snapshot_xip($1::pg_snapshot) AS xip (xid) CROSS JOIN LATERAL (
                   SELECT 1 FROM tidings_log l
                   WHERE l.xid >= xip.xid AND l.xid <= xip.xid ORDER BY l.xid, l.position LIMIT 1) l) AS earlier
