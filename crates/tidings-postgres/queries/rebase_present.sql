-- All transactions below `xmin` have ended. Rows that this cluster's own transactions have written into a restored log, before
-- anybody noticed, are told by `restored`: the last transaction that can have restored any of it, which has filled
-- tidings_cluster or made the primary key. Tuples hold ids of 32 bits only; the present tells the rest.
WITH now AS (SELECT pg_current_xact_id()::text::bigint AS xid), young AS (
    SELECT max(now.xid - ((now.xid - it.xmin::text::bigint) & 4294967295)) AS xid FROM now, (
        SELECT xmin FROM tidings_cluster
        UNION ALL
        SELECT xmin FROM pg_constraint WHERE conrelid = 'tidings_log'::regclass AND contype = 'p'
    ) it
)
SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin, now.xid AS present, young.xid AS restored,
       (SELECT coalesce(min(position), 1) FROM tidings_log) AS first, (SELECT coalesce(max(position), 0) FROM tidings_log) AS last
FROM now, young
