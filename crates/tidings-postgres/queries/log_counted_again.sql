-- Reads the whole table: for the one time that the log seems full.
UPDATE tidings_runtime
SET counted = pg_current_snapshot()::text,
    appended = removed + (SELECT count(*) FROM tidings_log l WHERE pg_visible_in_snapshot(l.xid, pg_current_snapshot()))
