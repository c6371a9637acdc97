SELECT mark_xid < pg_snapshot_xmin(pg_current_snapshot()) AS passed FROM tidings_runtime WHERE mark IS NOT NULL
