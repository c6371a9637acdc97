-- Each message becomes visible between exactly two snapshots, so each is counted once, in whatever order they commit.
UPDATE tidings_runtime r
SET counted = pg_current_snapshot()::text,
    appended = r.appended + (SELECT count(*) FROM tidings_log l
                             WHERE l.xid >= pg_snapshot_xmin(r.counted::pg_snapshot)
                               AND NOT pg_visible_in_snapshot(l.xid, r.counted::pg_snapshot)
                               AND pg_visible_in_snapshot(l.xid, pg_current_snapshot()))
