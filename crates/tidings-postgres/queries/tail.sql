-- Which messages (kind, name, slot) have appeared since snapshot $1, at most $2 of each way that leads to them, and how many
-- changes there were to who works on what. There is always one row.
SELECT now.hi, now.crew, new.kind, new.name, new.slot, new.messages
FROM (SELECT pg_current_snapshot()::text AS hi, (SELECT last_value FROM tidings_crew_changes) AS crew) now
LEFT JOIN (
    SELECT kind, name, slot, count(*) AS messages FROM (
        (SELECT kind, name, slot FROM tidings_log
         WHERE xid >= pg_snapshot_xmax($1::pg_snapshot) ORDER BY xid, position LIMIT $2)
        UNION ALL
        (SELECT l.kind, l.name, l.slot FROM pg_snapshot_xip($1::pg_snapshot) AS xip (xid)
         CROSS JOIN LATERAL (SELECT * FROM tidings_log l
                             WHERE l.xid >= xip.xid AND l.xid <= xip.xid ORDER BY l.xid, l.position LIMIT $2) l LIMIT $2)
    ) m GROUP BY kind, name, slot
) new ON true
